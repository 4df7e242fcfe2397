import { diag } from "@opentelemetry/api";
import type { Tracer, TracerProvider as ApiTracerProvider } from "@opentelemetry/api";
import { describeError } from "@almanac/core";
import { defaultResource } from "@opentelemetry/resources";
import type { SpanProcessor, TracerProviderOptions as OfficialOptions } from "@opentelemetry/sdk-trace";
import { TelemetryError } from "../error.ts";
import { ParentBasedAlwaysOnSampler } from "./sampler.ts";
import type { SpanEvents, SpanOrigin } from "./span.ts";
import { RecordingTracer } from "./tracer.ts";

/** Those of the official SDK's provider that say what spans are and where they go. */
export type TracerProviderOptions = Pick<
  OfficialOptions,
  "resource" | "sampler" | "spanLimits" | "idGenerator" | "spanProcessors"
>;

export interface TracerProvider extends ApiTracerProvider {
  /** Over when every processor has flushed. @throws AggregateError of what processors rejected with. */
  forceFlush(): Promise<void>;
  /** Shuts the processors down, once. @throws AggregateError of what processors rejected with. */
  shutdown(): Promise<void>;
}

const defaultLimits = {
  attributeCountLimit: 128,
  attributeValueLengthLimit: Infinity,
  eventCountLimit: 128,
  linkCountLimit: 128,
  attributePerEventCountLimit: 128,
  attributePerLinkCountLimit: 128,
};

/**
 * A TracerProvider of the OpenTelemetry API for programs that make many spans. Samplers, processors, exporters, id generators and limits are
 * the official SDK's, and exporters see the same spans (seeded random programs compare both); what making a span costs is what differs:
 * `npm run bench -- metrics` says how much. A span starts at the resolution of the monotonic clock, not at whole milliseconds.
 *
 * @param options as the official provider's, with its defaults: parent-based sampling of everything, 128 attributes, events and links per
 * span, texts of any length
 * @throws TelemetryError `invalid_options` for a limit that is no whole number from 0 on (texts: from 1 on; both may be Infinity) and for
 * what is no resource, sampler, processor or id generator
 */
export function createTracerProvider(options: TracerProviderOptions = {}): TracerProvider {
  checkOptions(options);
  const { resource = defaultResource(), spanProcessors: processors = [] } = options;
  const { sampler = new ParentBasedAlwaysOnSampler(), idGenerator } = options;
  const limits = settleLimits(options.spanLimits);
  const events = combine(processors);
  const tracers = new Map<string, Tracer>();
  /** Those without version and schema: many ask for theirs before each span. */
  const byName = new Map<string, Tracer>();
  let closing: Promise<void> | undefined;

  return {
    getTracer(name, version, { schemaUrl } = {}) {
      const isPlain = version === undefined && schemaUrl === undefined;
      const known = isPlain ? byName.get(name) : undefined;
      if (known !== undefined) return known;
      const key = JSON.stringify([name, version ?? "", schemaUrl ?? ""]);
      let tracer = tracers.get(key);
      if (tracer === undefined) {
        if (!name) diag.warn("getTracer was called without a name; give the instrumenting library's");
        const instrumentationScope = {
          name: name ?? "",
          ...(version === undefined ? undefined : { version }),
          ...(schemaUrl === undefined ? undefined : { schemaUrl }),
        };
        const origin: SpanOrigin = { resource, instrumentationScope, limits, events };
        tracer = new RecordingTracer(origin, sampler, idGenerator);
        tracers.set(key, tracer);
      }
      if (isPlain) byName.set(name, tracer);
      return tracer;
    },
    forceFlush: () => all(processors, (processor) => processor.forceFlush()),
    shutdown: () => (closing ??= all(processors, (processor) => processor.shutdown())),
  };
}

function settleLimits(given: OfficialOptions["spanLimits"] = {}): typeof defaultLimits {
  const limits = { ...defaultLimits };
  for (const [name, value] of Object.entries(given) as [keyof typeof limits, number | undefined][]) {
    if (value === undefined) continue;
    if (!Object.hasOwn(limits, name)) {
      throw invalid(`spanLimits.${name} is no limit; there are ${Object.keys(limits).join(", ")}`);
    }
    const least = name === "attributeValueLengthLimit" ? 1 : 0;
    if (!(value >= least) || !(Number.isInteger(value) || value === Infinity)) {
      throw invalid(`spanLimits.${name} must be a whole number from ${least} on, or Infinity, got ${value}`);
    }
    limits[name] = value;
  }
  return limits;
}

/** For callers without types: what is wrong would otherwise show at the first span. */
function checkOptions(options: Partial<Record<keyof TracerProviderOptions, unknown>> | null): void {
  if (typeof options !== "object" || options === null)
    throw invalid(`options must be an object, got ${nameOf(options)}`);
  const { resource, sampler, idGenerator, spanProcessors, spanLimits } = options;
  checkMethods("sampler", sampler, ["shouldSample"]);
  checkMethods("idGenerator", idGenerator, ["generateTraceId", "generateSpanId"]);
  if (resource !== undefined && (typeof resource !== "object" || resource === null || !("attributes" in resource))) {
    throw invalid(`resource must be one of @opentelemetry/resources, got ${nameOf(resource)}`);
  }
  if (spanLimits !== undefined && (typeof spanLimits !== "object" || spanLimits === null)) {
    throw invalid(`spanLimits must be an object, got ${nameOf(spanLimits)}`);
  }
  if (spanProcessors === undefined) return;
  if (!Array.isArray(spanProcessors)) throw invalid(`spanProcessors must be a list, got ${nameOf(spanProcessors)}`);
  spanProcessors.forEach((processor: unknown, index) =>
    checkMethods(`spanProcessors[${index}]`, processor ?? null, ["onStart", "onEnd", "forceFlush", "shutdown"]),
  );
}

function checkMethods(field: string, value: unknown, methods: readonly string[]): void {
  if (value === undefined) return;
  const missing = methods.filter((method) => typeof (value as Record<string, unknown> | null)?.[method] !== "function");
  if (missing.length > 0) {
    throw invalid(
      `${field} must have ${methods.map((method) => `${method}()`).join(", ")}; ${nameOf(value)} lacks ${missing.join(", ")}`,
    );
  }
}

function invalid(message: string): TelemetryError {
  return new TelemetryError("invalid_options", message);
}

/** What a value is, not what it holds, which may be a secret. */
function nameOf(value: unknown): string {
  if (value === null || typeof value !== "object") return value === null ? "null" : typeof value;
  return Array.isArray(value) ? "a list" : "the given object";
}

function combine(processors: readonly SpanProcessor[]): SpanEvents {
  const [only] = processors;
  if (processors.length === 1 && only !== undefined) {
    return {
      onStart: (span, parent) => only.onStart(span, parent),
      onEnding: (span) => only.onEnding?.(span),
      onEnd: (span) => only.onEnd(span),
    };
  }
  return {
    onStart: (span, parent) => processors.forEach((each) => each.onStart(span, parent)),
    onEnding: (span) => processors.forEach((each) => each.onEnding?.(span)),
    onEnd: (span) => processors.forEach((each) => each.onEnd(span)),
  };
}

/** Waits for all, also when some fail. */
async function all(
  processors: readonly SpanProcessor[],
  run: (processor: SpanProcessor) => Promise<void>,
): Promise<void> {
  const results = await Promise.allSettled(processors.map(async (processor) => run(processor)));
  const errors = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
  if (errors.length > 0) throw new AggregateError(errors, errors.map(describeError).join("; "));
}
