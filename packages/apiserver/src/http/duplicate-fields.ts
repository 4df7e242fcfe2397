import type { Json } from "../schema/index.ts";

/**
 * Paths of the members that `text`, valid JSON of `value`, names more than once within one object. Costs one serialisation where there
 * are none and the text is compact, as clients write it; a walk through the text otherwise.
 */
export function duplicateFields(text: string, value: Json): readonly string[] {
  if (JSON.stringify(value).length === text.length) return [];
  const found: string[] = [];
  const scanner = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/gs;
  // One frame per open object or list; a list counts its items.
  const frames: { readonly names: Set<string> | undefined; path: string; index: number; step: string }[] = [];
  let pending: string | undefined;
  for (const [token] of text.matchAll(scanner)) {
    const frame = frames.at(-1);
    if (token === "{" || token === "[") {
      const path =
        frame === undefined ? "" : frame.path + (frame.names === undefined ? `[${frame.index}]` : frame.step);
      frames.push({ names: token === "{" ? new Set() : undefined, path, index: 0, step: "" });
      pending = undefined;
    } else if (token === "}" || token === "]") frames.pop();
    else if (token === ",") {
      if (frame !== undefined) frame.index++;
      pending = undefined;
    } else if (token === ":") {
      if (frame?.names === undefined || pending === undefined) continue;
      const name = JSON.parse(pending) as string;
      frame.step = frame.path === "" ? name : `.${name}`;
      if (frame.names.has(name)) found.push(frame.path + frame.step);
      frame.names.add(name);
      pending = undefined;
    } else pending = token;
  }
  return found;
}
