import type { Family, LabelDomain, Owner } from "@almanac/catalog";

/** What a process knows about label values before the first event. */
export interface KnownLabels {
  readonly owner?: Owner | undefined;
  /** Values of label keys, for whichever family has them. */
  readonly known?: Readonly<Record<string, readonly string[]>> | undefined;
}

/**
 * Every label combination of a family whose values are all closed or known, or undefined when one is neither, or when there are more
 * combinations than the family's cardinality limit leaves room for.
 */
export function knownCombinations(
  family: Family,
  knowledge: KnownLabels,
): readonly Record<string, string>[] | undefined {
  const dimensions: { readonly key: string; readonly values: readonly string[] }[] = [];
  let count = 1;
  for (const [key, domain] of Object.entries(family.labels)) {
    const values = valuesOf(domain, knowledge, key);
    if (values === undefined) {
      if (domain.kind === "open" && domain.optional) continue;
      return undefined;
    }
    count *= values.length;
    dimensions.push({ key, values });
  }
  // One series of the limit is the overflow series itself.
  if (count > family.cardinalityLimit - 1) return undefined;
  let combinations: Record<string, string>[] = [{}];
  for (const { key, values } of dimensions) {
    combinations = combinations.flatMap((labels) => values.map((value) => ({ ...labels, [key]: value })));
  }
  return combinations;
}

function valuesOf(domain: LabelDomain, { owner, known }: KnownLabels, key: string): readonly string[] | undefined {
  const told = known !== undefined && Object.hasOwn(known, key) ? [...new Set(known[key])] : undefined;
  if (domain.kind === "open") return told;
  const members: readonly string[] = domain.values;
  if (domain.processOwner && owner !== undefined && members.includes(owner)) return [owner];
  // The same key may have another set in another family, so values that are none of this one's say nothing about it.
  const fitting = told?.filter((value) => members.includes(value)) ?? [];
  return fitting.length > 0 ? fitting : members;
}
