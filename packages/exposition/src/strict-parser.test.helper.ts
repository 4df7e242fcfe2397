/*
 * A parser for the tests that refuses everything the two formats do not allow, more strictly than Prometheus does. It reads what pages of
 * this package may hold: no timestamps, no exemplars, no summaries.
 */

export interface ParsedFamily {
  readonly type: string;
  help: string | undefined;
  unit: string | undefined;
  /** Value by `name{label="value",…}`, labels sorted, values unescaped and JSON-quoted. */
  readonly samples: Map<string, number>;
}

const sampleSuffixes: Readonly<Record<"text" | "openmetrics", Readonly<Record<string, readonly string[]>>>> = {
  text: { counter: [""], gauge: [""], histogram: ["_bucket", "_sum", "_count"] },
  openmetrics: {
    counter: ["_total"],
    gauge: [""],
    unknown: [""],
    info: ["_info"],
    histogram: ["_bucket", "_sum", "_count"],
  },
};

export function parsePage(page: string, format: "text" | "openmetrics"): Map<string, ParsedFamily> {
  const lines = page.split("\n");
  if (lines.pop() !== "" && page !== "") throw new Error("the page does not end with a line feed");
  if (format === "openmetrics" && lines.pop() !== "# EOF") throw new Error("the page does not end with # EOF");
  const families = new Map<string, ParsedFamily>();
  const owners = new Map<string, string>();
  const pendingHelp = new Map<string, string>();
  let current: { readonly name: string; readonly family: ParsedFamily } | undefined;

  for (const line of lines) {
    const meta = /^# (HELP|TYPE|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line);
    if (meta !== null) {
      const [, keyword, name = "", text = ""] = meta;
      if (keyword === "HELP") {
        const help = unescapeText(text, format === "openmetrics");
        if (format === "text") pendingHelp.set(name, help);
        else if (current?.name !== name || current.family.help !== undefined || current.family.samples.size > 0)
          throw new Error(`misplaced: ${line}`);
        else current.family.help = help;
      } else if (keyword === "TYPE") {
        if (families.has(name)) throw new Error(`a second block for ${name}`);
        if (sampleSuffixes[format][text] === undefined) throw new Error(`type not allowed: ${line}`);
        current = { name, family: { type: text, help: pendingHelp.get(name), unit: undefined, samples: new Map() } };
        families.set(name, current.family);
        for (const suffix of new Set(["", ...(sampleSuffixes[format][text] ?? [])])) {
          const owner = owners.get(name + suffix);
          if (owner !== undefined) throw new Error(`${name} and ${owner} share the name ${name + suffix}`);
          owners.set(name + suffix, name);
        }
      } else {
        if (format === "text" || current?.name !== name || !name.endsWith(`_${text}`))
          throw new Error(`misplaced: ${line}`);
        current.family.unit = text;
      }
      continue;
    }
    if (current === undefined) throw new Error(`a sample before any TYPE: ${line}`);
    addSample(line, current.name, current.family, format);
  }
  for (const [name, family] of families) checkHistogram(name, family, format);
  return families;
}

function addSample(line: string, name: string, family: ParsedFamily, format: "text" | "openmetrics"): void {
  const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const [, sample = "", labelText, valueText = ""] = match;
  const suffixes = sampleSuffixes[format][family.type] ?? [];
  if (!suffixes.some((suffix) => sample === name + suffix))
    throw new Error(`${sample} stands in the block of ${family.type} ${name}`);
  const labels = labelText === undefined ? [] : parseLabels(labelText);
  if (family.type === "histogram" && sample.endsWith("_bucket") !== labels.some(([label]) => label === "le"))
    throw new Error(`le: ${line}`);
  const le = labels.find(([label]) => label === "le")?.[1];
  if (family.type === "histogram" && le !== undefined && format === "openmetrics" && !/[.e]|^[+-]Inf$/.test(le))
    throw new Error(`le="${le}" is no float`);
  const key = sampleKey(sample, labels);
  if (family.samples.has(key)) throw new Error(`a second sample ${key}`);
  const value = parseNumber(valueText);
  if (format === "openmetrics" && family.type === "counter" && !(value >= 0))
    throw new Error(`a counter of ${valueText}`);
  family.samples.set(key, value);
}

export function sampleKey(name: string, labels: readonly (readonly [string, string])[]): string {
  const sorted = labels.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `${name}{${sorted.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join(",")}}`;
}

function parseNumber(text: string): number {
  if (text === "NaN") return NaN;
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) throw new Error(`not a number: ${text}`);
  return Number(text);
}

function parseLabels(text: string): [string, string][] {
  const labels: [string, string][] = [];
  const pair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n\0]|\\[\\"n])*)"(,|$)/y;
  while (pair.lastIndex < text.length) {
    const match = pair.exec(text);
    if (match === null) throw new Error(`labels: ${text}`);
    const [, name = "", value = "", separator] = match;
    if (separator === "," && pair.lastIndex === text.length) throw new Error(`trailing comma: ${text}`);
    if (labels.some(([label]) => label === name)) throw new Error(`label ${name} twice`);
    labels.push([name, unescapeText(value, true)]);
  }
  return labels;
}

function unescapeText(text: string, quotes: boolean): string {
  return text.replace(/\\(.)|"/g, (whole, character: string | undefined) => {
    if (character === "n") return "\n";
    if (character === "\\") return "\\";
    if (character === '"' && quotes) return '"';
    if (whole === '"' && !quotes) return '"';
    throw new Error(`bad escape ${whole} in ${text}`);
  });
}

function checkHistogram(name: string, family: ParsedFamily, format: "text" | "openmetrics"): void {
  if (family.type !== "histogram") return;
  const series = new Map<string, { bound: number; last: number }>();
  for (const [key, value] of family.samples) {
    const le = /^(?:.*_bucket\{.*?)\ble="([^"]*)",?/.exec(key)?.[1];
    if (le === undefined) continue;
    const rest = key.replace(/\ble="[^"]*",?/, "").replace(/,\}$/, "}");
    const bound = parseNumber(le);
    const before = series.get(rest) ?? { bound: -Infinity, last: 0 };
    if (!(bound > before.bound && value >= before.last && Number.isInteger(value)))
      throw new Error(`buckets out of order at ${key}`);
    series.set(rest, { bound, last: value });
  }
  for (const [key, { bound, last }] of series) {
    if (bound !== Infinity) throw new Error(`no +Inf bucket for ${key}`);
    const count = family.samples.get(key.replace(`${name}_bucket`, `${name}_count`));
    const sum = family.samples.get(key.replace(`${name}_bucket`, `${name}_sum`));
    if (count !== undefined && count !== last) throw new Error(`count and +Inf bucket differ for ${key}`);
    if (format === "text" && count === undefined) throw new Error(`no count for ${key}`);
    if (format === "openmetrics" && (count === undefined) !== (sum === undefined))
      throw new Error(`sum without count for ${key}`);
  }
}
