import { context, INVALID_SPAN_CONTEXT, SpanKind, trace, TraceFlags } from "@opentelemetry/api";
import type { Context, Link, Span, SpanOptions, Tracer } from "@opentelemetry/api";
import { isTracingSuppressed } from "@opentelemetry/core";
import { SamplingDecision } from "@opentelemetry/sdk-trace";
import type { IdGenerator, Sampler } from "@opentelemetry/sdk-trace";
import { copyAttributes } from "./attributes.ts";
import { createIdGenerator } from "./ids.ts";
import { parentOf } from "./parent.ts";
import { cleanLink, RecordingSpan } from "./span.ts";
import type { SpanOrigin } from "./span.ts";

const noLimits = { attributeCountLimit: Infinity, attributeValueLengthLimit: Infinity };
const noLinks: Link[] = [];
const randomIds = createIdGenerator();

/** Starts spans as the official SDK's tracer does: same samplers, same decisions, same limits. */
export class RecordingTracer implements Tracer {
  readonly #origin: SpanOrigin;
  readonly #sampler: Sampler;
  readonly #ids: IdGenerator;
  readonly #makesValidIds: boolean;

  /** Without `ids` they are random. */
  constructor(origin: SpanOrigin, sampler: Sampler, ids: IdGenerator | undefined) {
    this.#origin = origin;
    this.#sampler = sampler;
    this.#ids = ids ?? randomIds;
    this.#makesValidIds = ids === undefined;
  }

  startSpan(name: string, options: SpanOptions = {}, active: Context = context.active()): Span {
    const at = options.root === true ? trace.deleteSpan(active) : active;
    if (isTracingSuppressed(at)) return trace.wrapSpanContext(INVALID_SPAN_CONTEXT);
    const parent = parentOf(at);
    const spanId = this.#ids.generateSpanId();
    const traceId = parent === undefined ? this.#ids.generateTraceId() : parent.traceId;
    const { kind = SpanKind.INTERNAL } = options;
    const { limits } = this.#origin;
    const links = options.links?.map((link) => cleanLink(link, limits)) ?? noLinks;
    let { attributes, count, dropped } = copyAttributes(options.attributes, noLimits);
    const sampling = this.#sampler.shouldSample(at, traceId, name, kind, attributes, links);
    const isSampled = sampling.decision === SamplingDecision.RECORD_AND_SAMPLED;
    const traceState = sampling.traceState ?? parent?.traceState;
    const spanContext = {
      traceId,
      spanId,
      traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
      ...(traceState === undefined ? undefined : { traceState }),
    };
    if (sampling.decision === SamplingDecision.NOT_RECORD) return trace.wrapSpanContext(spanContext);
    if (
      sampling.attributes !== undefined ||
      count > limits.attributeCountLimit ||
      limits.attributeValueLengthLimit < Infinity
    ) {
      const limited = copyAttributes(Object.assign(attributes, sampling.attributes), limits);
      ({ attributes, count } = limited);
      dropped += limited.dropped;
    }
    const span = new RecordingSpan(this.#origin, {
      name,
      kind,
      context: spanContext,
      hasOwnIds: this.#makesValidIds,
      parent,
      attributes,
      attributeCount: count,
      droppedAttributes: dropped,
      links,
      startTime: options.startTime,
    });
    this.#origin.events.onStart(span, at);
    return span;
  }

  startActiveSpan<F extends (span: Span) => ReturnType<F>>(name: string, run: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => ReturnType<F>>(name: string, options: SpanOptions, run: F): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => ReturnType<F>>(
    name: string,
    options: SpanOptions,
    active: Context,
    run: F,
  ): ReturnType<F>;
  startActiveSpan<F extends (span: Span) => ReturnType<F>>(
    name: string,
    ...rest: [F] | [SpanOptions, F] | [SpanOptions, Context, F]
  ): ReturnType<F> {
    const run = rest.at(-1) as F;
    const options = rest.length > 1 ? (rest[0] as SpanOptions) : undefined;
    const active = rest.length > 2 ? (rest[1] as Context) : context.active();
    const span = this.startSpan(name, options, active);
    return context.with(trace.setSpan(active, span), run, undefined, span);
  }
}
