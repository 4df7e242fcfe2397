import type { Catalog } from "./catalog.ts";
import type { AcceptableRule, Family } from "./family.ts";
import { otherValue } from "./label.ts";
import type { Finding, LintRule } from "./lint.ts";

const prometheusData = "Prometheus documentation, Data model";
const prometheusNaming = "Prometheus documentation, Metric and label naming";
const openMetrics = "OpenMetrics 1.0.0";

type Complaint = string | false | undefined;

interface RuleText {
  readonly id: string;
  readonly severity?: Finding["severity"];
  readonly why: string;
  readonly source: string;
}

/** A rule that looks at one family at a time; it says nothing, or what is wrong. */
function perFamily(text: RuleText, complaints: (family: Family) => Complaint | readonly Complaint[]): LintRule {
  const { severity = "error", ...rest } = text;
  return {
    ...rest,
    severity,
    check(catalog) {
      return Object.values(catalog.families).flatMap((family) =>
        [complaints(family)]
          .flat()
          .filter((message): message is string => typeof message === "string")
          .map((message) => ({ rule: text.id, severity, family: family.name, message: `${family.name} ${message}` })),
      );
    },
  };
}

/** As `perFamily`, for a rule a family may break on purpose: then it gives the reason, and the rule has to apply. */
function acceptable(
  text: RuleText & { readonly id: AcceptableRule },
  complaint: (family: Family) => Complaint,
): LintRule {
  return perFamily(text, (family) => {
    const message = complaint(family);
    const reason = family.accepts[text.id];
    if (reason === undefined) return message;
    if (typeof message !== "string") return `accepts the rule "${text.id}", which it does not break; remove the entry`;
    return reason.trim() === "" && `accepts the rule "${text.id}" without a reason; give one`;
  });
}

function labelsOf(family: Family) {
  return Object.entries(family.labels);
}

const reservedSuffixes = ["_bucket", "_count", "_sum", "_created", "_gcount", "_gsum"];
const reservedLabels = new Set(["le", "quantile"]);
const typeWords = new Set(["counter", "gauge", "histogram", "summary"]);

/** Units that Prometheus replaces by a base unit. */
const scaledUnits: Readonly<Record<string, string>> = {
  ns: "seconds",
  us: "seconds",
  ms: "seconds",
  nanoseconds: "seconds",
  microseconds: "seconds",
  milliseconds: "seconds",
  minutes: "seconds",
  hours: "seconds",
  days: "seconds",
  kilobytes: "bytes",
  kibibytes: "bytes",
  megabytes: "bytes",
  mebibytes: "bytes",
  gigabytes: "bytes",
  gibibytes: "bytes",
  bits: "bytes",
  percent: "ratio",
};

/** Most combinations of the closed labels, the implicit member of each set included. Open labels count as one value. */
function closedCombinations(family: Family): number {
  return labelsOf(family).reduce((n, [, domain]) => (domain.kind === "closed" ? n * (domain.values.length + 1) : n), 1);
}

function nameWithoutTotal(name: string): string {
  return name.endsWith("_total") ? name.slice(0, -"_total".length) : name;
}

/** All rules, those about syntax first. */
export const rules: readonly LintRule[] = [
  {
    id: "catalog-name",
    severity: "error",
    why: "The name becomes part of an OpenTelemetry scope name and of file names.",
    source: "this package",
    check: (catalog: Catalog) =>
      /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(catalog.name)
        ? []
        : [
            {
              rule: "catalog-name",
              severity: "error",
              message: `the catalog name "${catalog.name}" is not lower-case words joined by hyphens, such as "my-operator"`,
            },
          ],
  },
  perFamily(
    {
      id: "name-syntax",
      why: "A name outside this syntax is escaped or refused on the way, and then it is another name; upper case and colons mean recording rules.",
      source: `${prometheusData}; OpenTelemetry metrics API, instrument name syntax (at most 255 characters)`,
    },
    ({ name }) =>
      !/^[a-z][a-z0-9_]{0,254}$/.test(name) &&
      "is not lower-case letters, digits and underscores, starting with a letter; rename it",
  ),
  perFamily(
    {
      id: "reserved-suffix",
      why: "These endings name the samples of histograms and summaries, so such a family could collide with theirs.",
      source: `${openMetrics}, Suffixes`,
    },
    ({ name }) => {
      const suffix = reservedSuffixes.find((candidate) => name.endsWith(candidate));
      return suffix !== undefined && `ends with the reserved suffix ${suffix}; rename it`;
    },
  ),
  acceptable(
    {
      id: "total-suffix",
      why: "OpenMetrics knows a counter by _total: without it the counter is exposed as type unknown, and with it a gauge is mistaken for one.",
      source: `${prometheusNaming}; ${openMetrics}, Counter`,
    },
    ({ name, type }) => {
      if (type === "counter") return !name.endsWith("_total") && "is a counter without the suffix _total; append it";
      return name.endsWith("_total") && `is a ${type} with the suffix _total, which counters have; rename it`;
    },
  ),
  acceptable(
    {
      id: "type-in-name",
      why: "The type is known already, and a name outlives a change of type.",
      source: `${prometheusNaming}; promtool check metrics`,
    },
    ({ name }) => {
      const word = name.split("_").find((part) => typeWords.has(part));
      return word !== undefined && `carries the metric type "${word}" in its name; rename it`;
    },
  ),
  acceptable(
    {
      id: "base-unit",
      why: "One unit per quantity makes families comparable without looking them up.",
      source: `${prometheusNaming}, Base units`,
    },
    ({ name }) => {
      const unit = nameWithoutTotal(name).split("_").at(-1) ?? "";
      const base = scaledUnits[unit];
      return base !== undefined && `is named in ${unit}; use ${base}`;
    },
  ),
  perFamily(
    {
      id: "unit-suffix",
      why: "A unit that is not literally the end of the name is invalid in OpenMetrics, and consumers of OTLP append it.",
      source: `${openMetrics}, Unit; OpenTelemetry Prometheus compatibility`,
    },
    ({ name, unit }) =>
      unit !== undefined &&
      !nameWithoutTotal(name).endsWith(`_${unit}`) &&
      `has the unit "${unit}", which its name does not end with; leave the unit out`,
  ),
  {
    id: "counter-name-clash",
    severity: "error",
    why: "OpenMetrics names the family of a counter without _total, so both would be one family.",
    source: `${openMetrics}, Counter`,
    check: (catalog) =>
      Object.values(catalog.families)
        .filter(
          (family) =>
            family.type === "counter" &&
            family.name.endsWith("_total") &&
            nameWithoutTotal(family.name) in catalog.families,
        )
        .map((family) => ({
          rule: "counter-name-clash",
          severity: "error",
          family: family.name,
          message: `${family.name} and ${nameWithoutTotal(family.name)} are one family in OpenMetrics; rename one`,
        })),
  },
  perFamily(
    {
      id: "label-name",
      why: "Other names are reserved for Prometheus, for buckets and quantiles, or for the OpenTelemetry scope.",
      source: `${prometheusData}; OpenTelemetry Prometheus compatibility, Instrumentation scope`,
    },
    (family) =>
      family.labelKeys.map((key) => {
        if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(key))
          return `has the label "${key}", which is not letters, digits and underscores; rename it`;
        const reserved =
          reservedLabels.has(key) ||
          key.startsWith("__") ||
          key.startsWith("otel_scope_") ||
          key === "otel_metric_overflow";
        return reserved && `has the label "${key}", which is reserved; rename it`;
      }),
  ),
  perFamily(
    {
      id: "closed-set",
      why: "An empty set allows no measurement, a duplicate is a typing error, and other is the implicit member for values outside.",
      source: "this package",
    },
    (family) =>
      labelsOf(family).flatMap(([key, domain]) => {
        if (domain.kind !== "closed") return [];
        const values: readonly string[] = domain.values;
        const duplicate = values.find((value, index) => values.indexOf(value) !== index);
        return [
          values.length === 0 && `has the label "${key}" with an empty set of values; list them or use anyValue`,
          duplicate !== undefined && `has the label "${key}" with the value "${duplicate}" twice; remove one`,
          values.includes(otherValue) &&
            `has the label "${key}" with the value "${otherValue}", which every closed set has implicitly; remove it`,
          values.includes("") &&
            `has the label "${key}" with an empty value, which Prometheus takes for a missing label; remove it`,
        ];
      }),
  ),
  perFamily(
    {
      id: "buckets",
      why: "Bounds that do not rise put observations into the wrong bucket; +Inf is implied and NaN compares with nothing.",
      source: `${openMetrics}, Histogram; OpenTelemetry metrics SDK, Explicit bucket histogram`,
    },
    ({ type, buckets }) => {
      if (type !== "histogram") return buckets !== undefined && `is a ${type} with buckets; remove them`;
      if (buckets === undefined || buckets.length === 0)
        return "is a histogram without buckets; list their upper bounds";
      const infinite = buckets.find((bound) => !Number.isFinite(bound));
      if (infinite !== undefined) return `has the bucket ${infinite}; bounds are finite, +Inf is implied`;
      const at = buckets.findIndex((bound, index) => index > 0 && bound <= (buckets[index - 1] ?? -Infinity));
      return at > 0 && `has the bucket ${buckets[at]} after ${buckets[at - 1]}; bounds rise strictly`;
    },
  ),
  perFamily(
    {
      id: "help",
      why: "The help is what an operator reads in the page and in the editor of a query; it is a sentence, on one line.",
      source: `${openMetrics}, Help; promtool check metrics`,
    },
    ({ help }) => {
      if (help.trim() === "") return "has no help; say in one sentence what a value means";
      return (
        (!help.endsWith(".") || help.includes("\n")) &&
        `has the help "${help}", which is not one line that ends with a period`
      );
    },
  ),
  perFamily(
    {
      id: "moves-when",
      why: "A family nobody can say when it moves is a family nobody can test.",
      source: "this package",
    },
    ({ movesWhen }) => movesWhen.trim() === "" && "does not say when it moves; fill in movesWhen",
  ),
  perFamily(
    {
      id: "owners",
      why: "A family without an owner is served by nobody.",
      source: "this package",
    },
    ({ owners }) => owners.length === 0 && `has no owners; name the processes that serve it, or "process" for all`,
  ),
  perFamily(
    {
      id: "cardinality",
      why: "Series above the limit end in one overflow series, where their labels are lost.",
      source: "OpenTelemetry metrics SDK, Cardinality limits",
    },
    (family) => {
      const { cardinalityLimit: limit } = family;
      if (!Number.isInteger(limit) || limit < 2)
        return `has the cardinality limit ${limit}; it is a whole number of at least 2`;
      const combinations = closedCombinations(family);
      // One series of the limit is the overflow series itself.
      return (
        combinations > limit - 1 &&
        `can reach ${combinations} series by its closed labels alone, its limit leaves ${limit - 1}; raise cardinalityLimit or drop a label`
      );
    },
  ),
  perFamily(
    {
      id: "label-count",
      severity: "warning",
      why: "Every further label multiplies the series.",
      source: "Prometheus documentation, Instrumentation, Do not overuse labels",
    },
    ({ labelKeys }) =>
      labelKeys.length > 8 && `has ${labelKeys.length} labels; more than 8 are rarely asked for together`,
  ),
];
