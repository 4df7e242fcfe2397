import type { SpanLimits } from "@opentelemetry/sdk-trace";
import { TelemetryError } from "./error.ts";

/** Where and how one signal is sent. */
export interface OtlpTarget {
  readonly protocol: "grpc" | "http/protobuf" | "http/json";
  /** With the signal's path under HTTP. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: "gzip" | "none";
  /** For one batch, retries included. */
  readonly timeoutMs: number;
}

/** A variable that is set to something else than it may be, and is ignored. */
interface EnvironmentProblem {
  readonly variable: string;
  /** Left out where it may be a secret. */
  readonly value?: string;
  readonly remedy: string;
}

/** What the `OTEL_*` variables say, defaults filled in. */
export interface Environment {
  readonly problems: readonly EnvironmentProblem[];
  readonly disabled: boolean;
  readonly serviceName: string | undefined;
  readonly resourceAttributes: Readonly<Record<string, string>>;
  readonly propagators: readonly ("tracecontext" | "baggage")[];
  readonly sampler: { readonly name: SamplerName; readonly ratio: number };
  /** `undefined`: nothing is exported. */
  readonly traces: OtlpTarget | undefined;
  readonly metrics: OtlpTarget | undefined;
  readonly spanQueue: {
    readonly maxQueueSize: number;
    readonly maxBatchSize: number;
    readonly delayMs: number;
    readonly exportTimeoutMs: number;
  };
  /** In the official SDK's names. */
  readonly spanLimits: Readonly<Required<SpanLimits>>;
  readonly metricExport: { readonly intervalMs: number; readonly timeoutMs: number };
  readonly exemplarFilter: (typeof exemplarFilters)[number];
}

const exemplarFilters = ["always_on", "always_off", "trace_based"] as const;

const samplerNames = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;
type SamplerName = (typeof samplerNames)[number];

const protocols = ["http/protobuf", "http/json", "grpc"] as const;

/**
 * Reads the variables of the OpenTelemetry specification ("Environment Variable Specification", "OTLP Exporter Configuration"). An empty
 * one counts as unset. A value that is not understood is noted among the problems and its default taken, as the specification asks.
 * Unlike there, no endpoint means no export: a process on its own does not call at localhost.
 *
 * @throws TelemetryError `invalid_environment` when an endpoint is not an http or https address.
 */
export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const problems: EnvironmentProblem[] = [];
  const reader = createVariables(env, problems);
  const disabled = reader.choice("OTEL_SDK_DISABLED", ["false", "true"]) === "true";
  const maxQueueSize = reader.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1);
  const intervalMs = reader.number("OTEL_METRIC_EXPORT_INTERVAL", 60_000, 1);
  reader.only(
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "cumulative",
    "the metrics of catalogs are running totals; let the Collector's cumulativetodelta processor make others of them",
  );
  return {
    problems,
    disabled,
    serviceName: reader.text("OTEL_SERVICE_NAME"),
    resourceAttributes: reader.pairs("OTEL_RESOURCE_ATTRIBUTES"),
    propagators: reader.list("OTEL_PROPAGATORS", ["tracecontext", "baggage", "none"], ["tracecontext", "baggage"]),
    sampler: readSampler(reader),
    traces: disabled ? undefined : readTarget(reader, "TRACES"),
    metrics: disabled ? undefined : readTarget(reader, "METRICS"),
    spanQueue: {
      maxQueueSize,
      maxBatchSize: Math.min(reader.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, 1), maxQueueSize),
      delayMs: reader.number("OTEL_BSP_SCHEDULE_DELAY", 5000, 0),
      exportTimeoutMs: reader.number("OTEL_BSP_EXPORT_TIMEOUT", 30_000, 1),
    },
    spanLimits: readSpanLimits(reader),
    // An export that may outlast the interval would be refused by the reader.
    metricExport: {
      intervalMs,
      timeoutMs: Math.min(reader.number("OTEL_METRIC_EXPORT_TIMEOUT", 30_000, 1), intervalMs),
    },
    exemplarFilter: reader.choice("OTEL_METRICS_EXEMPLAR_FILTER", exemplarFilters) ?? "trace_based",
  };
}

function readSampler(reader: Variables): Environment["sampler"] {
  const name = reader.choice("OTEL_TRACES_SAMPLER", samplerNames) ?? "parentbased_always_on";
  const ratio = name.endsWith("traceidratio") ? reader.number("OTEL_TRACES_SAMPLER_ARG", 1, 0, 1) : 1;
  return { name, ratio };
}

/** Those for spans go before those for attributes of any signal. */
function readSpanLimits(reader: Variables): Environment["spanLimits"] {
  const length = reader.limit("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", Infinity, 1);
  const count = reader.limit("OTEL_ATTRIBUTE_COUNT_LIMIT", 128, 0);
  return {
    attributeValueLengthLimit: reader.limit("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", length, 1),
    attributeCountLimit: reader.limit("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", count, 0),
    eventCountLimit: reader.limit("OTEL_SPAN_EVENT_COUNT_LIMIT", 128, 0),
    linkCountLimit: reader.limit("OTEL_SPAN_LINK_COUNT_LIMIT", 128, 0),
    attributePerEventCountLimit: reader.limit("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", count, 0),
    attributePerLinkCountLimit: reader.limit("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", count, 0),
  };
}

function readTarget(reader: Variables, signal: "TRACES" | "METRICS"): OtlpTarget | undefined {
  // Pages for Prometheus are the caller's to ask for, so the name is known here and changes nothing.
  const known = signal === "METRICS" ? (["otlp", "prometheus", "none"] as const) : (["otlp", "none"] as const);
  if (!reader.list(`OTEL_${signal}_EXPORTER`, known, ["otlp"]).includes("otlp")) return undefined;
  const [general, own] = ["OTEL_EXPORTER_OTLP_", `OTEL_EXPORTER_OTLP_${signal}_`];
  const ownEndpoint = reader.url(`${own}ENDPOINT`);
  const endpoint = ownEndpoint ?? reader.url(`${general}ENDPOINT`);
  if (endpoint === undefined) return undefined;
  const protocol =
    reader.choice(`${own}PROTOCOL`, protocols) ?? reader.choice(`${general}PROTOCOL`, protocols) ?? "http/protobuf";
  const path = `v1/${signal.toLowerCase()}`;
  return {
    protocol,
    // Only the general endpoint is a base, to which the signal's path is added.
    url: protocol === "grpc" || ownEndpoint !== undefined ? endpoint : `${endpoint.replace(/\/$/, "")}/${path}`,
    headers: { ...reader.pairs(`${general}HEADERS`), ...reader.pairs(`${own}HEADERS`) },
    compression:
      reader.choice(`${own}COMPRESSION`, ["gzip", "none"]) ??
      reader.choice(`${general}COMPRESSION`, ["gzip", "none"]) ??
      "none",
    timeoutMs: reader.number(`${own}TIMEOUT`, reader.number(`${general}TIMEOUT`, 10_000, 1), 1),
  };
}

type Variables = ReturnType<typeof createVariables>;

function createVariables(env: NodeJS.ProcessEnv, problems: EnvironmentProblem[]) {
  const text = (name: string): string | undefined => env[name]?.trim() || undefined;

  function ignore(variable: string, remedy: string, value?: string): void {
    problems.push({ variable, ...(value !== undefined && { value }), remedy });
  }

  function choice<const V extends string>(name: string, values: readonly V[]): V | undefined {
    const value = text(name)?.toLowerCase();
    const found = values.find((candidate) => candidate === value);
    if (value !== undefined && found === undefined) ignore(name, `use one of ${values.join(", ")}`, value);
    return found;
  }

  return {
    text,
    choice,

    /** A comma-separated list; `none` among the values empties it. */
    list<const V extends string>(
      name: string,
      values: readonly V[],
      fallback: readonly NoInfer<V>[],
    ): Exclude<V, "none">[] {
      const given = text(name)?.toLowerCase().split(",") ?? fallback;
      const chosen = new Set<V>();
      for (const part of given) {
        const value = part.trim();
        const found = values.find((candidate) => candidate === value);
        if (found !== undefined) chosen.add(found);
        else if (value !== "") ignore(name, `use some of ${values.join(", ")}`, value);
      }
      return chosen.has("none" as V) ? [] : ([...chosen] as Exclude<V, "none">[]);
    },

    number(name: string, fallback: number, min: number, max = 2 ** 31 - 1): number {
      const value = text(name);
      if (value === undefined) return fallback;
      const number = Number(value);
      if (number >= min && number <= max) return number;
      ignore(name, `use a number from ${min} to ${max}`, value);
      return fallback;
    },

    /** For variables of which nothing but the default is acted on. */
    only(name: string, allowed: string, remedy: string): void {
      const value = text(name)?.toLowerCase();
      if (value !== undefined && value !== allowed) ignore(name, remedy, value);
    },

    limit(name: string, fallback: number, min: number): number {
      const value = text(name);
      if (value === undefined) return fallback;
      const number = Number(value);
      if (Number.isInteger(number) && number >= min) return number;
      ignore(name, `use a whole number from ${min} on`, value);
      return fallback;
    },

    /** `key=value,key=value`, percent-encoded. One unreadable pair voids the whole, and values may be secrets, so none is logged. */
    pairs(name: string): Record<string, string> {
      try {
        const pairs = (text(name)?.split(",") ?? []).filter((pair) => pair.trim() !== "");
        return Object.fromEntries(pairs.map(splitPair));
      } catch {
        ignore(
          name,
          "use key=value pairs between commas, with percent-encoding where values hold commas or equal signs",
        );
        return {};
      }
    },

    url(name: string): string | undefined {
      const value = text(name);
      if (value === undefined) return undefined;
      // The value may hold credentials, so the message does not.
      if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol)) {
        throw new TelemetryError(
          "invalid_environment",
          `${name} must be an http:// or https:// address with host and port; correct or unset it`,
        );
      }
      return value;
    },
  };
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf("=");
  const key = decodeURIComponent(pair.slice(0, Math.max(at, 0)).trim());
  if (key === "") throw new Error("no key");
  return [key, decodeURIComponent(pair.slice(at + 1).trim())];
}
