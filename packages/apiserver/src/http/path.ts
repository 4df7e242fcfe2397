/** A path below /api or /apis, taken apart. */
export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly plural: string;
  readonly name: string;
  readonly subresource: string;
}

// Below a namespace's own path these are its subresources, not resources in it.
const namespaceSubresources = new Set(["status", "finalize"]);

/** Undefined for paths that are not those of resources, discovery included. */
export function parseResourcePath(segments: readonly string[]): ResourcePath | undefined {
  const [root, ...rest] = segments;
  if (root !== "api" && root !== "apis") return undefined;
  const group = root === "api" ? "" : (rest.shift() ?? "");
  const version = rest.shift() ?? "";
  if (rest.length === 0 || (root === "apis" && group === "")) return undefined;
  const [first = "", second, third] = rest;
  const base = { group, version };
  if (first === "namespaces" && third !== undefined && !(rest.length === 3 && namespaceSubresources.has(third))) {
    if (rest.length > 5) return undefined;
    return { ...base, namespace: second ?? "", plural: third, name: rest[3] ?? "", subresource: rest[4] ?? "" };
  }
  if (rest.length > 3) return undefined;
  return { ...base, namespace: "", plural: first, name: second ?? "", subresource: third ?? "" };
}
