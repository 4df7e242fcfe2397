/**
 * Names of instruments that no catalog declares, by the rules of the OpenTelemetry specification ("Prometheus and OpenMetrics
 * Compatibility", section "OTLP Metric points to Prometheus"): characters outside the format's alphabet become `_`, the unit and, for
 * monotonic sums, `_total` are appended.
 */

/** What a name is made of. */
export interface NamedMetric {
  readonly name: string;
  readonly unit: string;
  readonly kind: "counter" | "gauge" | "up-down counter" | "histogram";
}

interface TranslateOptions {
  /** Appends the unit and, for counters, `_total`. */
  readonly suffixes: boolean;
  /** Turns an instrument's name into one that the page may hold. */
  readonly name: (name: string) => string;
}

/** The exposed name and the unit that ends it (before `_total`), if any. `undefined` when nothing usable is left of the name. */
export function translateName(
  metric: NamedMetric,
  options: TranslateOptions = { suffixes: true, name: sanitizeName },
): { readonly name: string; readonly unit: string } | undefined {
  let name = options.name(metric.name);
  if (!/[^_]/.test(name)) return undefined;
  const counter = metric.kind === "counter";
  const unit = unitWord(metric.unit, metric.kind === "gauge");
  if (!options.suffixes) return { name, unit };
  if (counter) name = name.replace(/_total$/, "");
  if (unit !== "" && !`_${name}_`.includes(`_${unit}_`)) name = `${name.replace(/_$/, "")}_${unit}`;
  return { name: counter ? `${name}_total` : name, unit };
}

export function sanitizeName(name: string): string {
  const text = name.replace(/[^a-zA-Z0-9_:]/g, "_").replace(/__+/g, "_");
  return /^[0-9]/.test(text) ? `_${text}` : text;
}

/** A legal label name: `[a-zA-Z_][a-zA-Z0-9_]*`. */
export function sanitizeLabel(key: string): string {
  if (/^[a-zA-Z][a-zA-Z0-9]*(?:_[a-zA-Z0-9]+)*$/.test(key)) return key;
  const text = key.replace(/[^a-zA-Z0-9_]/g, "_").replace(/__+/g, "_");
  return /^[0-9]/.test(text) ? `_${text}` : text || "_";
}

const words = new Map([
  ["d", "days"],
  ["h", "hours"],
  ["min", "minutes"],
  ["s", "seconds"],
  ["ms", "milliseconds"],
  ["us", "microseconds"],
  ["ns", "nanoseconds"],
  ["By", "bytes"],
  ["KiBy", "kibibytes"],
  ["MiBy", "mebibytes"],
  ["GiBy", "gibibytes"],
  ["TiBy", "tibibytes"],
  ["KBy", "kilobytes"],
  ["MBy", "megabytes"],
  ["GBy", "gigabytes"],
  ["TBy", "terabytes"],
  ["m", "meters"],
  ["V", "volts"],
  ["A", "amperes"],
  ["J", "joules"],
  ["W", "watts"],
  ["g", "grams"],
  ["Cel", "celsius"],
  ["Hz", "hertz"],
  ["%", "percent"],
  ["1", ""],
]);

const perWords = new Map([
  ["s", "second"],
  ["m", "minute"],
  ["h", "hour"],
  ["d", "day"],
  ["w", "week"],
  ["mo", "month"],
  ["y", "year"],
]);

function unitWord(unit: string, gauge: boolean): string {
  // What stands in braces is an annotation, not a unit (UCUM).
  const bare = unit.replace(/\{[^}]*\}/g, "").trim();
  if (bare === "1") return gauge ? "ratio" : "";
  const [numerator = "", ...denominators] = bare.split("/");
  const upper = words.get(numerator) ?? plain(numerator);
  const lower = denominators
    .map((part) => perWords.get(part) ?? words.get(part) ?? plain(part))
    .filter((part) => part !== "");
  if (lower.length === 0) return upper;
  return `${upper === "" ? "" : `${upper}_`}per_${lower.join("_per_")}`;
}

function plain(unit: string): string {
  return unit.replace(/[^a-zA-Z0-9]+/g, "_").replace(/^_+|_+$/g, "");
}
