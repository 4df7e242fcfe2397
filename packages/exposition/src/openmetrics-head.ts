import type { Family } from "./family.ts";

/** How a family is called in OpenMetrics. */
export interface OpenMetricsHead {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "info" | "unknown";
  /** Whether a histogram's buckets, sum and count are three families of type `unknown`. */
  readonly split: boolean;
}

const suffixes = { counter: "_total", info: "_info" } as const;

/**
 * OpenMetrics gives a family every name that its type may have a sample of, written or not: `x`, `x_total` and `x_created` to the counter
 * `x`; and it lets a counter have no other sample than its family's name plus `_total`. No two families may have the same name. Here the
 * series' names come first: whatever cannot have the names of its type beside the others' series is `unknown`, whose only name is its
 * series'; a histogram becomes three such families.
 */
export function openMetricsHeads(families: readonly Family[]): ReadonlyMap<Family, OpenMetricsHead> {
  const taken = new Set(families.flatMap(seriesNames));
  const heads = new Map<Family, OpenMetricsHead>();
  /** Takes the names unless another family has one of them. */
  const claim = (names: readonly string[]): boolean => {
    if (names.some((name) => taken.has(name))) return false;
    for (const name of names) taken.add(name);
    return true;
  };
  // What is a counter to some and unknown to others is the same to queries; a histogram in pieces is not.
  for (const type of ["info", "histogram", "counter", "gauge"] as const) {
    for (const family of families) {
      if (family.type === type) heads.set(family, headOf(family, claim));
    }
  }
  return heads;
}

function headOf({ name, type }: Family, claim: (names: readonly string[]) => boolean): OpenMetricsHead {
  if (type === "gauge") return { name, type, split: false };
  if (type === "histogram") {
    return claim([`${name}_created`]) ? { name, type, split: false } : { name, type: "unknown", split: true };
  }
  const suffix = suffixes[type];
  const base = name.slice(0, -suffix.length);
  const others = type === "counter" ? [base, `${base}_created`] : [base];
  const fits = base !== "" && name.endsWith(suffix) && claim(others);
  return fits ? { name: base, type, split: false } : { name, type: "unknown", split: false };
}

/** Names that a family's series have, or that nobody else may have beside them in any format. */
export function seriesNames({ name, type }: Pick<Family, "name" | "type">): string[] {
  return type === "histogram" ? [name, `${name}_bucket`, `${name}_count`, `${name}_sum`] : [name];
}
