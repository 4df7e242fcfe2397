import { context, isSpanContextValid, ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import type { Attributes, Context, Span } from "@opentelemetry/api";
import { settleAttributes } from "./attributes.ts";
import type { Exemplar } from "./snapshot.ts";

/** Which measurements may become exemplars (metrics SDK specification, exemplar filter). */
export type ExemplarFilter = "always_on" | "always_off" | "trace_based";

/** Set on a span when a reservoir takes one of its measurements, so that a tail sampler can keep the trace. */
export const exemplarAttribute = "almanac.exemplar";

const noAttributes: Attributes = Object.freeze({});

// Contexts never change, so neither does what they say about a span. Remembering the last of each kind is enough for code that records
// many times in a row.
let unsampled: Context = ROOT_CONTEXT;
let sampled: Context | undefined;
let sampledSpan: Span | undefined;

/** The span of a measurement when it is sampled. Costs little more than finding the active context when it is not. */
function findSampledSpan(given: Context | undefined): Span | undefined {
  const current = given ?? context.active();
  if (current === ROOT_CONTEXT || current === unsampled) return undefined;
  if (current === sampled) return sampledSpan;
  const span = trace.getSpan(current);
  const spanContext = span?.spanContext();
  if (
    spanContext !== undefined &&
    (spanContext.traceFlags & TraceFlags.SAMPLED) !== 0 &&
    isSpanContextValid(spanContext)
  ) {
    sampled = current;
    sampledSpan = span;
    return span;
  }
  unsampled = current;
  return undefined;
}

/** The exemplars of a stream's rows. Rows without one cost nothing but a place in an array. */
export interface ExemplarStore {
  /**
   * Offers a measurement. `bucket` is where a histogram counted it, 0 elsewhere; `given` are its attributes and `kept` those of its
   * series.
   */
  offer(
    row: number,
    bucket: number,
    value: number,
    given: Attributes,
    kept: Attributes,
    from: Context | undefined,
  ): void;
  /** A copy for a snapshot of `rows` rows, or undefined when there is none at all. Starts the next round of the reservoirs. */
  snapshot(rows: number): readonly (readonly Exemplar[] | undefined)[] | undefined;
  /** Forgets those of a row that was removed or started anew. */
  clear(row: number): void;
}

export interface ExemplarStoreOptions {
  readonly filter: Exclude<ExemplarFilter, "always_off">;
  /** A place for each of that many buckets, or a sample of `size` measurements whatever their bucket. */
  readonly reservoir: { readonly buckets: number } | { readonly size: number };
  /** Wall-clock time in milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Default: Math.random. */
  readonly random?: () => number;
}

interface Reservoir {
  /** Histograms: by bucket, with holes. Others: the sample. */
  readonly taken: (Exemplar | undefined)[];
  /** Measurements offered since the last snapshot. */
  offered: number;
}

/** Exemplars of one stream, in aligned histogram buckets or as a simple fixed-size sample. */
export function createExemplarStore({
  filter,
  reservoir: kind,
  now,
  random = Math.random,
}: ExemplarStoreOptions): ExemplarStore {
  const reservoirs: (Reservoir | undefined)[] = [];
  const always = filter === "always_on";
  const places = "buckets" in kind ? kind.buckets : kind.size;
  const aligned = "buckets" in kind;
  let any = false;
  let marked: Span | undefined;

  function take(
    row: number,
    bucket: number,
    value: number,
    given: Attributes,
    kept: Attributes,
    span: Span | undefined,
  ): void {
    let reservoir = reservoirs[row];
    if (reservoir === undefined) {
      while (reservoirs.length <= row) reservoirs.push(undefined);
      reservoirs[row] = reservoir = { taken: new Array<undefined>(places).fill(undefined), offered: 0 };
      any = true;
    }
    let place = bucket;
    if (!aligned) {
      const seen = reservoir.offered++;
      // Algorithm R: every measurement of the round is equally likely to be in the sample at its end.
      place = seen < places ? seen : Math.floor(random() * (seen + 1));
      if (place >= places) return;
    }
    const spanContext = span?.spanContext();
    reservoir.taken[place] = {
      value,
      timeMs: now(),
      traceId: spanContext?.traceId ?? "",
      spanId: spanContext?.spanId ?? "",
      filteredAttributes: given === kept ? noAttributes : withoutKept(given, kept),
    };
    if (span !== undefined && span !== marked) {
      marked = span;
      // A span that has ended would complain.
      if (span.isRecording()) span.setAttribute(exemplarAttribute, true);
    }
  }

  return {
    offer(row, bucket, value, given, kept, from) {
      const span = findSampledSpan(from);
      if (span !== undefined) take(row, bucket, value, given, kept, span);
      else if (always) take(row, bucket, value, given, kept, anySpan(from));
    },

    snapshot(rows) {
      if (!any) return undefined;
      const copies = new Array<readonly Exemplar[] | undefined>(rows).fill(undefined);
      for (let row = 0; row < reservoirs.length && row < rows; row++) {
        const reservoir = reservoirs[row];
        if (reservoir === undefined) continue;
        reservoir.offered = 0;
        copies[row] = reservoir.taken.filter((exemplar) => exemplar !== undefined);
      }
      return copies;
    },

    clear(row) {
      if (row < reservoirs.length) reservoirs[row] = undefined;
    },
  };
}

function anySpan(from: Context | undefined): Span | undefined {
  const span = trace.getSpan(from ?? context.active());
  return span !== undefined && isSpanContextValid(span.spanContext()) ? span : undefined;
}

/** What a view, or the overflow, took off. Usually nothing, which is found out without allocating. */
function withoutKept(given: Attributes, kept: Attributes): Attributes {
  for (const key in given) {
    if (!Object.hasOwn(kept, key)) return settleAttributes(given, (name) => !Object.hasOwn(kept, name)).attributes;
  }
  return noAttributes;
}
