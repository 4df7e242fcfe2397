import { describe, expect, it } from "vitest";
import type { Catalog } from "./catalog.ts";
import type { Family } from "./family.ts";
import { anyValue, oneOf } from "./label.ts";
import { liqo } from "./liqo.ts";
import { lintCatalog } from "./lint.ts";
import { rules } from "./lint-rules.ts";
import { stack } from "./stack.ts";
import { virtrigaud } from "./virtrigaud.ts";

const sound: Family = {
  name: "backup_runs_total",
  catalog: "backups",
  type: "counter",
  instrument: "counter",
  observed: false,
  labels: { outcome: oneOf("success", "failure") },
  labelKeys: ["outcome"],
  buckets: undefined,
  unit: undefined,
  owners: ["backup-operator"],
  help: "Backup runs that ended.",
  movesWhen: "a run ended",
  onlyIf: undefined,
  cardinalityLimit: 2000,
  accepts: {},
};

function catalogOf(...families: Partial<Family>[]): Catalog {
  const all = families.map((family) => ({ ...sound, ...family }));
  return { name: "backups", families: Object.fromEntries(all.map((family) => [family.name, family])) };
}

const withLabel = (key: string, domain: Family["labels"][string] = anyValue("x")): Partial<Family> => ({
  labels: { [key]: domain },
  labelKeys: [key],
});
const histogram: Partial<Family> = {
  name: "backup_seconds",
  type: "histogram",
  instrument: "histogram",
  buckets: [1, 2],
};
const wide = oneOf(...(Array.from({ length: 50 }, (_, i) => `v${i}`) as [string, ...string[]]));

describe("lintCatalog", () => {
  it.each([virtrigaud, liqo, stack])("finds nothing in the catalog $name, warnings included", (catalog) => {
    expect(lintCatalog(catalog)).toEqual([]);
  });

  it("finds nothing in a sound family", () => {
    expect(lintCatalog(catalogOf({}, histogram))).toEqual([]);
  });

  it.each<[rule: string, complaint: string, catalog: Catalog]>([
    ["catalog-name", '"Back ups"', { ...catalogOf({}), name: "Back ups" }],
    ["name-syntax", "lower-case", catalogOf({ name: "backup:runs_total" })],
    ["name-syntax", "lower-case", catalogOf({ name: "backup.runs_total" })],
    ["name-syntax", "lower-case", catalogOf({ name: `b${"x".repeat(255)}_total` })],
    ["reserved-suffix", "_count", catalogOf({ name: "backup_count", type: "gauge", instrument: "gauge" })],
    ["reserved-suffix", "_created", catalogOf({ name: "backup_created", type: "gauge", instrument: "gauge" })],
    ["total-suffix", "without the suffix", catalogOf({ name: "backup_runs" })],
    ["total-suffix", "is a gauge with", catalogOf({ type: "gauge", instrument: "gauge" })],
    ["total-suffix", "does not break", catalogOf({ accepts: { "total-suffix": "habit" } })],
    ["total-suffix", "without a reason", catalogOf({ name: "backup_runs", accepts: { "total-suffix": " " } })],
    ["type-in-name", '"counter"', catalogOf({ name: "backup_counter_total" })],
    ["base-unit", "use seconds", catalogOf({ ...histogram, name: "backup_ms" })],
    ["base-unit", "use bytes", catalogOf({ name: "backup_megabytes_total" })],
    ["unit-suffix", '"seconds"', catalogOf({ unit: "seconds" })],
    ["counter-name-clash", "one family", catalogOf({}, { name: "backup_runs", type: "gauge", instrument: "gauge" })],
    ["label-name", '"le"', catalogOf(withLabel("le"))],
    ["label-name", '"quantile"', catalogOf(withLabel("quantile"))],
    ["label-name", '"__name__"', catalogOf(withLabel("__name__"))],
    ["label-name", '"otel_scope_name"', catalogOf(withLabel("otel_scope_name"))],
    ["label-name", '"otel_metric_overflow"', catalogOf(withLabel("otel_metric_overflow"))],
    ["label-name", '"provider.type"', catalogOf(withLabel("provider.type"))],
    ["closed-set", "empty set", catalogOf(withLabel("a", { kind: "closed", values: [], processOwner: false }))],
    ["closed-set", '"x" twice', catalogOf(withLabel("a", oneOf("x", "y", "x")))],
    ["closed-set", '"other"', catalogOf(withLabel("a", oneOf("x", "other")))],
    ["closed-set", "empty value", catalogOf(withLabel("a", oneOf("x", "")))],
    ["buckets", "without buckets", catalogOf({ ...histogram, buckets: [] })],
    ["buckets", "+Inf is implied", catalogOf({ ...histogram, buckets: [1, Infinity] })],
    ["buckets", "NaN", catalogOf({ ...histogram, buckets: [NaN, 1] })],
    ["buckets", "bucket 2 after 2", catalogOf({ ...histogram, buckets: [1, 2, 2] })],
    ["buckets", "counter with buckets", catalogOf({ buckets: [1] })],
    ["help", "has no help", catalogOf({ help: " " })],
    ["help", "ends with a period", catalogOf({ help: "Backup runs" })],
    ["help", "one line", catalogOf({ help: "Backup\nruns." })],
    ["moves-when", "does not say when", catalogOf({ movesWhen: "" })],
    ["owners", "no owners", catalogOf({ owners: [] })],
    ["cardinality", "at least 2", catalogOf({ cardinalityLimit: 1 })],
    ["cardinality", "can reach 2601 series", catalogOf({ labels: { a: wide, b: wide }, labelKeys: ["a", "b"] })],
    ["label-count", "9 labels", catalogOf({ labelKeys: Array.from({ length: 9 }, (_, i) => `l${i}`) })],
  ])("%s: says %s", (rule, complaint, catalog) => {
    const findings = lintCatalog(catalog).filter((finding) => finding.rule === rule);
    expect(findings).toHaveLength(1);
    expect(findings[0]?.message).toContain(complaint);
  });

  it("has a test above, an id of its own, a reason and a source for every rule", () => {
    expect(new Set(rules.map((rule) => rule.id)).size).toBe(rules.length);
    for (const rule of rules)
      expect([rule.id, rule.why.endsWith("."), rule.source.length > 0]).toEqual([rule.id, true, true]);
  });

  it("accepts a broken rule for which the family gives a reason", () => {
    expect(lintCatalog(catalogOf({ name: "backup_runs", accepts: { "total-suffix": "Published before." } }))).toEqual(
      [],
    );
  });
});
