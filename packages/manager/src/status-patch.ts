import { isDeepStrictEqual } from "node:util";

/**
 * The JSON merge patch (RFC 7386) that turns the status `from` into `to`, by top-level field; undefined when nothing differs.
 * The order of keys does not matter: API servers sort them.
 */
export function statusPatch<S extends object>(from: S | undefined, to: S): Record<string, unknown> | undefined {
  const before = (from ?? {}) as Readonly<Record<string, unknown>>;
  const after = to as Readonly<Record<string, unknown>>;
  const changed: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (!isDeepStrictEqual(before[key], after[key])) changed[key] = mergeable(before[key], after[key]);
  }
  return Object.keys(changed).length === 0 ? undefined : changed;
}

// A merge keeps the keys of an object that it does not name.
function mergeable(before: unknown, after: unknown): unknown {
  if (after === undefined) return null;
  if (!isRecord(before) || !isRecord(after)) return after;
  const gone = Object.keys(before).filter((key) => after[key] === undefined);
  return gone.length === 0 ? after : { ...after, ...Object.fromEntries(gone.map((key) => [key, null])) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
