import type { Family } from "@almanac/catalog";
import type { Labels, Metadata, PrometheusApi } from "./prometheus-api.ts";

// Added by whoever scrapes, or part of a histogram's form.
const notTheFamilys = new Set(["__name__", "le", "instance", "job", "otel_metric_overflow"]);

/** Names under which the samples of a family are stored. */
function sampleNames(family: Family): string[] {
  return family.type === "histogram"
    ? [`${family.name}_bucket`, `${family.name}_count`, `${family.name}_sum`]
    : [family.name];
}

/**
 * Compares a family as Prometheus stored it with its catalog entry: present, the declared type, exactly the declared label keys, every
 * bucket bound. Gives one line per difference. A label whose value is empty is no label to Prometheus, so keys that may be empty may be
 * missing from some series, never from the declaration.
 */
function compareFamily(family: Family, stored: readonly Labels[], pages: ReadonlyMap<string, Metadata>): string[] {
  const names = new Set(sampleNames(family));
  const series = stored.filter((labels) => names.has(labels["__name__"] ?? ""));
  if (series.length === 0) return [`${family.name}: no series found`];
  const differences: string[] = [];
  const { type } = pages.get(family.name) ?? pages.get(family.name.replace(/_total$/, "")) ?? {};
  // A counter without the suffix that OpenMetrics wants is exposed there as unknown.
  const expectedTypes =
    family.type === "counter" && !family.name.endsWith("_total") ? ["unknown", "counter"] : [family.type];
  // Gauges that are called like a counter or an info may not say so in OpenMetrics.
  if (family.type === "gauge" && /_(total|info)$/.test(family.name)) expectedTypes.push("unknown");
  if (type === undefined || !expectedTypes.includes(type)) {
    differences.push(`${family.name}: type ${type ?? "(none)"}, declared ${family.type}`);
  }
  for (const labels of series) {
    const unknown = Object.keys(labels).filter((key) => !notTheFamilys.has(key) && !family.labelKeys.includes(key));
    if (unknown.length > 0) differences.push(`${family.name}: undeclared label ${unknown.join(", ")}`);
  }
  const seen = new Set(series.flatMap((labels) => Object.keys(labels)));
  const absent = family.labelKeys.filter((key) => !seen.has(key));
  if (absent.length > 0) differences.push(`${family.name}: label ${absent.join(", ")} on no series`);
  if (family.type === "histogram") {
    const bounds = new Set(series.map((labels) => labels["le"]).filter((le) => le !== undefined));
    const found = [...bounds].map((le) => (le === "+Inf" ? Infinity : Number(le))).sort((a, b) => a - b);
    const declared = [...(family.buckets ?? []), Infinity];
    if (found.join() !== declared.join()) {
      differences.push(`${family.name}: bucket bounds ${found.join(" ")}, declared ${declared.join(" ")}`);
    }
  }
  return [...new Set(differences)];
}

/** All families at once, from two requests. */
export async function compareFamilies(
  prometheus: PrometheusApi,
  families: ReadonlyMap<string, Family>,
): Promise<string[]> {
  const names = [...families.values()].flatMap(sampleNames);
  const [stored, pages] = await Promise.all([prometheus.series(names.join("|")), prometheus.targetMetadata()]);
  return [...families.values()].flatMap((family) => compareFamily(family, stored, pages));
}
