import { grpcCodes, providerMethods, type ProviderMethod } from "@almanac/catalog";
import type { ProviderErrorCode } from "@almanac/provider";
import { MockProviderError } from "./error.ts";
import type { Range } from "./random.ts";

/** Features a mock can be told not to offer. */
export const features = [
  "snapshots",
  "memorySnapshots",
  "linkedClones",
  "imageImport",
  "diskExport",
  "diskImport",
] as const;
export type Feature = (typeof features)[number];

/** How long things take, milliseconds; drawn anew each time. */
export interface MockDelays {
  /** Before an RPC does anything. Default 0. */
  readonly rpcMs: Range;
  /** Between the start of a task and its effect. A draw of 0 means no task: the effect is there when the RPC answers. Default 0. */
  readonly taskMs: Range;
  /** Between a power-on and the first IP address. Default 0. */
  readonly ipMs: Range;
}

/** How often things fail, each rate from 0 to 1. */
export interface MockFailures {
  /** RPCs that fail before they have any effect. Default 0. */
  readonly rpcRate: number;
  /** Tasks that end in an error, without their effect. Default 0. */
  readonly taskRate: number;
  /** Collections in which the inventory cannot be read; only a mock of type libvirt reports one. Default 0. */
  readonly sourceRate: number;
  /** What failing RPCs answer, by weight. Default: UNAVAILABLE alone. */
  readonly codes: Readonly<Partial<Record<ProviderErrorCode, number>>>;
  /** Rates of single methods, before the general ones. */
  readonly methods: Readonly<
    Partial<Record<ProviderMethod, { readonly rpcRate?: number; readonly taskRate?: number }>>
  >;
}

/** Everything a mock hypervisor can be told. */
export interface MockSettings {
  /** Start of every random stream. Default 1. */
  readonly seed: number;
  readonly delays: MockDelays;
  readonly failures: MockFailures;
  /** The hypervisor is not reachable from the start. Default false. */
  readonly outage: boolean;
  /** Tasks of before the start are unknown to it: what ran is given up, what had its effect keeps it. Default false. */
  readonly forgetTasks: boolean;
  /** What is not offered. Default: nothing, everything is. */
  readonly without: ReadonlySet<Feature>;
  /** VMs it has room for; one more is RESOURCE_EXHAUSTED. Default 100,000. */
  readonly maxVms: number;
}

/** As the caller writes them: parts may be left out. */
export interface MockOptions {
  readonly seed?: number;
  readonly delays?: Partial<MockDelays>;
  readonly failures?: Partial<MockFailures>;
  readonly outage?: boolean;
  readonly forgetTasks?: boolean;
  readonly without?: Iterable<Feature>;
  readonly maxVms?: number;
}

const none: Range = { min: 0, max: 0 };

/** Fills in the defaults. @throws MockProviderError `invalid_options` */
export function resolveMockOptions(options: MockOptions): MockSettings {
  const settings: MockSettings = {
    seed: options.seed ?? 1,
    delays: { rpcMs: none, taskMs: none, ipMs: none, ...options.delays },
    failures: { rpcRate: 0, taskRate: 0, sourceRate: 0, codes: { UNAVAILABLE: 1 }, methods: {}, ...options.failures },
    outage: options.outage ?? false,
    forgetTasks: options.forgetTasks ?? false,
    without: new Set(options.without),
    maxVms: options.maxVms ?? 100_000,
  };
  for (const [name, range] of Object.entries(settings.delays) as [string, Range][]) checkRange(name, range);
  for (const name of ["rpcRate", "taskRate", "sourceRate"] as const) checkRate(name, settings.failures[name]);
  for (const [method, rates] of Object.entries(settings.failures.methods)) {
    for (const [name, rate] of Object.entries(rates)) checkRate(`${method}.${name}`, rate);
  }
  if (!Number.isSafeInteger(settings.seed)) refuse("seed", settings.seed, "a whole number");
  if (!(Number.isSafeInteger(settings.maxVms) && settings.maxVms >= 0)) {
    refuse("maxVms", settings.maxVms, "a whole number of at least 0");
  }
  return settings;
}

type Setter = (options: Draft, value: string, name: string) => void;

interface Draft {
  seed?: number;
  delays: { -readonly [K in keyof MockDelays]?: MockDelays[K] };
  failures: { -readonly [K in keyof MockFailures]?: MockFailures[K] };
  outage?: boolean;
  forgetTasks?: boolean;
  without?: Feature[];
  maxVms?: number;
}

const setters: Readonly<Record<string, Setter>> = {
  seed: (options, value, name) => (options.seed = parseWhole(name, value)),
  rpcMs: (options, value, name) => (options.delays.rpcMs = parseRange(name, value)),
  taskMs: (options, value, name) => (options.delays.taskMs = parseRange(name, value)),
  ipMs: (options, value, name) => (options.delays.ipMs = parseRange(name, value)),
  rpcRate: (options, value, name) => (options.failures.rpcRate = parseRate(name, value)),
  taskRate: (options, value, name) => (options.failures.taskRate = parseRate(name, value)),
  sourceRate: (options, value, name) => (options.failures.sourceRate = parseRate(name, value)),
  codes: (options, value, name) => (options.failures.codes = parseCodes(name, value)),
  outage: (options, value, name) => (options.outage = parseBoolean(name, value)),
  forgetTasks: (options, value, name) => (options.forgetTasks = parseBoolean(name, value)),
  without: (options, value, name) => (options.without = parseFeatures(name, value)),
  maxVms: (options, value, name) => (options.maxVms = parseWhole(name, value)),
};

/**
 * Reads options as they are written in flags, in the environment and in an endpoint such as
 * `mock:///?seed=7&taskMs=200-900&rpcRate=0.02&CreateVM.taskRate=0.1&codes=UNAVAILABLE:3,INTERNAL:1&without=linkedClones`.
 * Delays are milliseconds, `5` or `5-20`; rates are from 0 to 1.
 *
 * @throws MockProviderError `invalid_options` naming the option, its value and what is accepted.
 */
export function parseMockOptions(source: string | Readonly<Record<string, string>>): MockOptions {
  const record = typeof source === "string" ? queryOf(source) : source;
  const draft: Draft = { delays: {}, failures: {} };
  const methodRates: Partial<Record<ProviderMethod, { rpcRate?: number; taskRate?: number }>> = {};
  for (const [name, value] of Object.entries(record)) {
    const setter = Object.hasOwn(setters, name) ? setters[name] : undefined;
    const [method, rate, ...rest] = name.split(".");
    if (setter !== undefined) setter(draft, value, name);
    else if (isMethod(method) && rest.length === 0 && (rate === "rpcRate" || rate === "taskRate")) {
      methodRates[method] = { ...methodRates[method], [rate]: parseRate(name, value) };
    } else {
      throw new MockProviderError(
        "invalid_options",
        `there is no option ${name} (value ${JSON.stringify(value)}); options are ${Object.keys(setters).join(", ")}, ` +
          "METHOD.rpcRate and METHOD.taskRate",
      );
    }
  }
  if (Object.keys(methodRates).length > 0) draft.failures.methods = methodRates;
  resolveMockOptions(draft);
  return draft;
}

function queryOf(endpoint: string): Record<string, string> {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol !== "mock:") refuse("endpoint", endpoint, "mock:///?name=value&…");
  return Object.fromEntries(url.searchParams);
}

function isMethod(text: string | undefined): text is ProviderMethod {
  return (providerMethods.values as readonly (string | undefined)[]).includes(text);
}

function parseWhole(name: string, value: string): number {
  return /^\d+$/.test(value) ? Number(value) : refuse(name, value, "a whole number of at least 0");
}

function parseRange(name: string, value: string): Range {
  const match = /^(\d+)(?:-(\d+))?$/.exec(value);
  if (match === null) return refuse(name, value, "milliseconds, such as 5 or 5-20");
  const min = Number(match[1]);
  return { min, max: match[2] === undefined ? min : Number(match[2]) };
}

function parseRate(name: string, value: string): number {
  return /^\d*\.?\d+$/.test(value) ? Number(value) : refuse(name, value, "a rate from 0 to 1, such as 0.05");
}

function parseBoolean(name: string, value: string): boolean {
  if (value !== "true" && value !== "false") return refuse(name, value, "true or false");
  return value === "true";
}

function parseFeatures(name: string, value: string): Feature[] {
  const parts = value.split(",").filter((part) => part !== "");
  for (const part of parts) {
    if (!(features as readonly string[]).includes(part)) refuse(name, value, `a list of ${features.join(", ")}`);
  }
  return parts as Feature[];
}

function parseCodes(name: string, value: string): Partial<Record<ProviderErrorCode, number>> {
  const remedy = "weights by gRPC status, such as UNAVAILABLE:3,INTERNAL:1 (never OK or UNKNOWN)";
  const weights: Partial<Record<ProviderErrorCode, number>> = {};
  for (const part of value.split(",")) {
    const match = /^([A-Z_]+):(\d+)$/.exec(part);
    const code = match?.[1] as ProviderErrorCode | undefined;
    const known = code !== undefined && grpcCodes.values.includes(code) && !["OK", "UNKNOWN"].includes(code);
    if (match === null || !known || Number(match[2]) === 0) return refuse(name, value, remedy);
    weights[code] = Number(match[2]);
  }
  return weights;
}

function checkRange(name: string, { min, max }: Range): void {
  if (!(Number.isSafeInteger(min) && Number.isSafeInteger(max) && min >= 0 && min <= max)) {
    refuse(name, `${min}-${max}`, "milliseconds from a smaller to a larger number, such as 5-20");
  }
}

function checkRate(name: string, rate: number): void {
  if (!(rate >= 0 && rate <= 1)) refuse(name, rate, "a rate from 0 to 1, such as 0.05");
}

function refuse(name: string, value: string | number, expected: string): never {
  throw new MockProviderError("invalid_options", `${name} is ${JSON.stringify(value)}; expected ${expected}`);
}
