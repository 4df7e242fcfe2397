import type { Json, JsonObject } from "./json.ts";
import { isObject, setOwn } from "./json.ts";
import type { SchemaNode } from "./node.ts";
import { nodeOfAdditional } from "./node.ts";

const metaFields = new Set(["apiVersion", "kind", "metadata"]);

const objectMetaFields = new Set([
  "annotations",
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "finalizers",
  "generateName",
  "generation",
  "labels",
  "managedFields",
  "name",
  "namespace",
  "ownerReferences",
  "resourceVersion",
  "selfLink",
  "uid",
]);

/**
 * `value` without the fields that the schema does not specify; their paths (`spec.list[0].extra`) are appended to `dropped`. At the
 * root of a resource and in embedded ones, apiVersion, kind and metadata stay whatever the schema says; embedded metadata keeps the
 * fields that metadata has. Unchanged parts are shared with the argument.
 *
 * From apiextensions/v1: "Field pruning".
 */
export function pruneUnknown(value: JsonObject, root: SchemaNode, dropped: string[]): JsonObject {
  return prune(value, root, true, false, "", dropped) as JsonObject;
}

/** `keeping`: inside preserve-unknown-fields, where only what the schema specifies is looked at. */
function prune(
  value: Json,
  node: SchemaNode | undefined,
  isResource: boolean,
  keeping: boolean,
  path: string,
  dropped: string[],
): Json {
  const keepUnknown = keeping || node?.preserveUnknown === true;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    if (keepUnknown && node?.items === undefined) return value;
    let list = value;
    for (const [index, item] of value.entries()) {
      const pruned = prune(
        item,
        node?.items,
        node?.items?.embeddedResource === true,
        keepUnknown,
        `${path}[${index}]`,
        dropped,
      );
      if (pruned === item) continue;
      if (list === value) list = [...value];
      list[index] = pruned;
    }
    return list;
  }

  let object = value;
  const copied = (): JsonObject => (object === value ? (object = { ...value }) : object);
  for (const [name, member] of Object.entries(value)) {
    const at = path === "" ? name : `${path}.${name}`;
    if (isResource && metaFields.has(name)) {
      // That of the root is read as what it is elsewhere.
      const metadata = name === "metadata" && path !== "" ? pruneMetadata(member, at, dropped) : member;
      if (metadata !== member) setOwn(copied(), name, metadata);
      continue;
    }
    const property = node?.properties.get(name);
    const isSpecified = property !== undefined || node?.additionalProperties !== undefined;
    if (!isSpecified) {
      if (keepUnknown) continue;
      dropped.push(at);
      delete copied()[name];
      continue;
    }
    const field = property ?? (node === undefined ? undefined : nodeOfAdditional(node));
    const pruned = prune(member, field, field?.embeddedResource === true, false, at, dropped);
    if (pruned !== member) setOwn(copied(), name, pruned);
  }
  return object;
}

function pruneMetadata(metadata: Json, path: string, dropped: string[]): Json {
  if (!isObject(metadata)) return metadata;
  const unknown = Object.keys(metadata).filter((name) => !objectMetaFields.has(name));
  if (unknown.length === 0) return metadata;
  dropped.push(...unknown.map((name) => `${path}.${name}`));
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => objectMetaFields.has(name)));
}
