import type { Json } from "../schema/json.ts";
import { canonicalJson, getOwn, isObject } from "../schema/json.ts";

/** What identifies a list's item: its merge key, or the primitive itself. */
function identity(item: Json, mergeKey: string | undefined): string {
  if (mergeKey === undefined || !isObject(item)) return canonicalJson(item);
  return canonicalJson(getOwn(item, mergeKey) ?? null);
}

function positions(list: readonly Json[], mergeKey: string | undefined): Map<string, number> {
  const result = new Map<string, number>();
  for (const [index, item] of list.entries()) {
    const key = identity(item, mergeKey);
    if (!result.has(key)) result.set(key, index);
  }
  return result;
}

/** Splits `list` into the items that `named` names and the others. */
export function partition(
  list: readonly Json[],
  named: readonly Json[],
  mergeKey: string | undefined,
): { inPatch: Json[]; others: Json[] } {
  const known = positions(named, mergeKey);
  const inPatch: Json[] = [];
  const others: Json[] = [];
  for (const item of list) (known.has(identity(item, mergeKey)) ? inPatch : others).push(item);
  return { inPatch, others };
}

/** `list` in the order of `order`; items that it does not name come last, as they were. */
export function orderAs(list: readonly Json[], order: readonly Json[], mergeKey: string | undefined): Json[] {
  const places = positions(order, mergeKey);
  const place = (item: Json): number => places.get(identity(item, mergeKey)) ?? order.length;
  return [...list].sort((left, right) => place(left) - place(right));
}

/**
 * Merges the patch's items with those that only the server has. Both keep their own relative order, the patch's that of `order`, the
 * server's that of `serverOrder`; an item of the server's comes before the first item of the patch's that followed it on the server.
 */
export function enforceOrder(
  patchItems: readonly Json[],
  serverItems: readonly Json[],
  order: readonly Json[],
  serverOrder: readonly Json[],
  mergeKey: string | undefined,
): Json[] {
  const patch = orderAs(patchItems, order, mergeKey);
  const server = orderAs(serverItems, serverOrder, mergeKey);
  const places = positions(serverOrder, mergeKey);
  const merged: Json[] = [];
  let next = 0;
  for (const item of server) {
    const place = places.get(identity(item, mergeKey));
    while (next < patch.length) {
      const candidate = patch[next] ?? null;
      const candidatePlace = places.get(identity(candidate, mergeKey));
      if (place !== undefined && candidatePlace !== undefined && place < candidatePlace) break;
      merged.push(candidate);
      next++;
    }
    merged.push(item);
  }
  return [...merged, ...patch.slice(next)];
}
