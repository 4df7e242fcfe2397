import type { ParsedFamily, ParsedNativeHistogram, ParsedSample, ParsedType } from "./model.ts";
import { parseNumber } from "./number.ts";
import { createHistogramCheck, type HistogramCheck } from "./histogram-check.ts";

/** A family while it is read. */
export interface OpenFamily extends ParsedFamily {
  type: ParsedType;
  help: string;
  unit: string;
  readonly samples: ParsedSample[];
  readonly nativeHistograms: ParsedNativeHistogram[];
  readonly said: Set<"TYPE" | "HELP" | "UNIT">;
}

/** Which suffixes the samples of a type have; "" is the family's own name. */
export type Suffixes = Readonly<Partial<Record<ParsedType, readonly string[]>>>;

export const textSuffixes: Suffixes = {
  counter: [""],
  gauge: [""],
  unknown: [""],
  histogram: ["_bucket", "_sum", "_count"],
  summary: ["", "_sum", "_count"],
};

const openMetricsSuffixes: Suffixes = {
  counter: ["_total", "_created"],
  gauge: [""],
  unknown: [""],
  histogram: ["_bucket", "_count", "_sum", "_created"],
  gaugehistogram: ["_bucket", "_gcount", "_gsum"],
  summary: ["", "_count", "_sum", "_created"],
  info: ["_info"],
  stateset: [""],
};

/** Says what is wrong; the caller knows where. */
export type Fail = (message: string) => Error;

/**
 * Puts families together from lines in the order of the page, and holds up what spans lines: one block per family, no name in two
 * families, no sample twice, histograms that add up. Memory grows with the page.
 */
export class Assembly {
  readonly families = new Map<string, OpenFamily>();
  readonly #suffixes: Suffixes;
  readonly #openMetrics: boolean;
  readonly #failAt: (line: number, message: string) => Error;
  readonly #owners = new Map<string, string>();
  #current: OpenFamily | undefined;
  #seen = new Set<string>();
  #finished = new Set<string>();
  #group: { readonly key: string; timestampMs: number | undefined } | undefined;
  #check: HistogramCheck | undefined;

  constructor(openMetrics: boolean, failAt: (line: number, message: string) => Error) {
    this.#openMetrics = openMetrics;
    this.#suffixes = openMetrics ? openMetricsSuffixes : textSuffixes;
    this.#failAt = failAt;
  }

  /** The family that a HELP, TYPE or UNIT line speaks of. */
  describe(name: string, keyword: "TYPE" | "HELP" | "UNIT", fail: Fail): OpenFamily {
    const family = this.#current?.name === name ? this.#current : this.#open(name, fail);
    if (family.said.has(keyword)) throw fail(`a second ${keyword} line for ${name}`);
    if (family.samples.length > 0 && (this.#openMetrics || keyword === "TYPE")) {
      throw fail(`the ${keyword} line of ${name} has to stand before its samples`);
    }
    family.said.add(keyword);
    return family;
  }

  setType(family: OpenFamily, text: string, fail: Fail): void {
    const type = !this.#openMetrics && text === "untyped" ? "unknown" : (text as ParsedType);
    if (!Object.hasOwn(this.#suffixes, type) || (!this.#openMetrics && text === "unknown")) {
      const known = Object.keys(this.#suffixes).map((key) =>
        this.#openMetrics || key !== "unknown" ? key : "untyped",
      );
      throw fail(`${JSON.stringify(text.slice(0, 40))} is no type; there are ${known.join(", ")}`);
    }
    this.#disown(family);
    family.type = type;
    this.#own(family, fail);
  }

  add(sample: ParsedSample, line: number, fail: Fail): void {
    let family = this.#current;
    let suffix = family === undefined ? undefined : this.#suffixOf(family, sample.name);
    if (family === undefined || suffix === undefined) {
      if (family !== undefined && this.#owners.get(sample.name) === family.name) {
        throw fail(`${sample.name} cannot be a sample of ${family.type} ${family.name}`);
      }
      family = this.#open(sample.name, fail);
      suffix = "";
    }
    this.#checkSample(family, suffix, sample, line, fail);
    family.samples.push(sample);
  }

  end(): Map<string, OpenFamily> {
    this.#close();
    return this.families;
  }

  #open(name: string, fail: Fail): OpenFamily {
    this.#close();
    if (this.families.has(name)) throw fail(`a second block for ${name}; all its lines have to stand together`);
    const family: OpenFamily = {
      name,
      type: "unknown",
      help: "",
      unit: "",
      samples: [],
      nativeHistograms: [],
      said: new Set(),
    };
    this.#own(family, fail);
    this.families.set(name, family);
    this.#current = family;
    this.#seen = new Set();
    this.#finished = new Set();
    this.#group = undefined;
    return family;
  }

  #own(family: OpenFamily, fail: Fail): void {
    for (const name of this.#namesOf(family)) {
      const owner = this.#owners.get(name);
      if (owner !== undefined) throw fail(`${family.name} would share the name ${name} with ${owner}`);
    }
    for (const name of this.#namesOf(family)) this.#owners.set(name, family.name);
  }

  #disown(family: OpenFamily): void {
    for (const name of this.#namesOf(family)) this.#owners.delete(name);
  }

  #namesOf({ name, type }: OpenFamily): Set<string> {
    return new Set(["", ...(this.#suffixes[type] ?? [])].map((suffix) => name + suffix));
  }

  #suffixOf(family: OpenFamily, sample: string): string | undefined {
    if (!sample.startsWith(family.name)) return undefined;
    const suffix = sample.slice(family.name.length);
    return this.#suffixes[family.type]?.includes(suffix) ? suffix : undefined;
  }

  #checkSample(family: OpenFamily, suffix: string, sample: ParsedSample, line: number, fail: Fail): void {
    const { type } = family;
    const special = bucketLabel(family, suffix);
    const at = special === undefined ? undefined : sample.labels.get(special);
    if (special !== undefined && at === undefined) throw fail(`${sample.name} needs the label ${special}`);
    const others = [...sample.labels].filter(([label]) => label !== special);
    const key = JSON.stringify(others.sort(([a], [b]) => (a < b ? -1 : 1)));
    const id = `${suffix}\n${at ?? ""}\n${sample.timestampMs ?? ""}\n${key}`;
    if (this.#seen.has(id)) throw fail(`a second sample of ${sample.name} with these labels`);
    this.#seen.add(id);
    if (type === "summary" && at !== undefined) {
      const quantile = parseNumber(at);
      if (quantile === undefined || !(quantile >= 0 && quantile <= 1)) throw fail("a quantile lies between 0 and 1");
    }
    if (this.#openMetrics) {
      this.#checkGroup(key, sample.timestampMs, fail);
      checkOpenMetricsValue(family, suffix, sample, fail);
    }
    if (type !== "histogram" && type !== "gaugehistogram") return;
    this.#check ??= createHistogramCheck(family.name, type === "gaugehistogram", this.#openMetrics, this.#failAt);
    this.#check.add(`${sample.timestampMs ?? ""}\n${key}`, suffix, at, sample.value, line, fail);
  }

  /** OpenMetrics 1.0.0: samples of one metric stand together, and its points are in the order of time. */
  #checkGroup(key: string, timestampMs: number | undefined, fail: Fail): void {
    const group = this.#group;
    if (group?.key !== key) {
      if (group !== undefined) this.#finished.add(group.key);
      if (this.#finished.has(key)) throw fail("samples of this metric stand apart; all of them have to stand together");
      this.#group = { key, timestampMs };
      return;
    }
    if ((group.timestampMs === undefined) !== (timestampMs === undefined)) {
      throw fail("either all samples of a metric have timestamps or none");
    }
    if (group.timestampMs !== undefined && timestampMs !== undefined && timestampMs < group.timestampMs) {
      throw fail("the timestamps of a metric must not fall");
    }
    group.timestampMs = timestampMs;
  }

  #close(): void {
    this.#check?.end();
    this.#check = undefined;
    this.#current = undefined;
  }
}

/** The label whose value tells a metric's samples apart. */
function bucketLabel({ name, type }: OpenFamily, suffix: string): string | undefined {
  if (suffix === "_bucket") return "le";
  if (suffix !== "") return undefined;
  return type === "summary" ? "quantile" : type === "stateset" ? name : undefined;
}

function checkOpenMetricsValue(family: OpenFamily, suffix: string, sample: ParsedSample, fail: Fail): void {
  const { type } = family;
  const { value, exemplar, name } = sample;
  if (exemplar !== undefined && suffix !== "_total" && suffix !== "_bucket") {
    throw fail(`${name} must not have an exemplar; only _total and _bucket samples may`);
  }
  if (suffix === "_created") {
    if (!Number.isFinite(value)) throw fail(`${name} is a time, not ${value}`);
    return;
  }
  switch (type) {
    case "counter":
      if (!(value >= 0)) throw fail(`the counter ${name} must not be ${value}`);
      break;
    case "info":
      if (value !== 1) throw fail(`the info ${name} has to be 1, not ${value}`);
      break;
    case "stateset":
      if (value !== 0 && value !== 1) throw fail(`the state ${name} has to be 0 or 1, not ${value}`);
      break;
    case "summary":
      if (value < 0 || (suffix !== "" && Number.isNaN(value))) throw fail(`${name} must not be ${value}`);
      if (suffix === "_count" && !Number.isInteger(value)) throw fail(`${name} has to be a whole number, not ${value}`);
      break;
    case "gauge":
    case "histogram":
    case "gaugehistogram":
    case "unknown":
      break;
  }
}
