import { INVALID_SPANID, INVALID_TRACEID, ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import type { Attributes, Context, Span, SpanContext } from "@opentelemetry/api";
import { activeContext } from "./active-context.ts";
import { settleAttributes } from "./attributes.ts";
import type { Exemplar } from "./snapshot.ts";

/** Which measurements may become exemplars (metrics SDK specification, exemplar filter). */
export type ExemplarFilter = "always_on" | "always_off" | "trace_based";

/** Set on a span when a reservoir takes one of its measurements, so that a tail sampler can keep the trace. */
const exemplarAttribute = "almanac.exemplar";

/** For measurements whose series has all of their attributes. */
export const noAttributes: Attributes = Object.freeze({});

// Contexts never change, so neither does what they say about a span. Remembering the last of each kind is enough for code that records
// many times in a row.
let unsampled: Context = ROOT_CONTEXT;
let sampled: Context | undefined;
let sampledSpan: Span | undefined;

/** The span of a measurement when it is sampled. */
function findSampledSpan(given: Context | undefined): Span | undefined {
  const current = given ?? activeContext();
  if (current === ROOT_CONTEXT || current === unsampled) return undefined;
  if (current === sampled) return sampledSpan;
  const span = trace.getSpan(current);
  const spanContext = span?.spanContext();
  if (spanContext !== undefined && (spanContext.traceFlags & TraceFlags.SAMPLED) !== 0 && hasIds(spanContext)) {
    sampled = current;
    sampledSpan = span;
    return span;
  }
  unsampled = current;
  return undefined;
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

type Taken = { -readonly [K in keyof Exemplar]: Exemplar[K] };

interface Reservoir {
  /** Histograms: by bucket, with holes. Others: the sample. */
  readonly taken: (Taken | undefined)[];
  /** Measurements offered since the last snapshot. */
  offered: number;
}

/**
 * The exemplars of one stream, in aligned histogram buckets or as a simple fixed-size sample. Rows without one cost nothing but a place
 * in an array.
 */
export class ExemplarStore {
  readonly #always: boolean;
  readonly #aligned: boolean;
  readonly #places: number;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #reservoirs: (Reservoir | undefined)[] = [];
  #marked: Span | undefined;

  constructor({ filter, reservoir, now, random = Math.random }: ExemplarStoreOptions) {
    this.#always = filter === "always_on";
    this.#aligned = "buckets" in reservoir;
    this.#places = "buckets" in reservoir ? reservoir.buckets : reservoir.size;
    this.#now = now;
    this.#random = random;
  }

  /** Whether the filter lets a measurement pass. The only thing that measurements outside sampled spans cost. */
  wants(from: Context | undefined): boolean {
    const current = from ?? activeContext();
    if (current === ROOT_CONTEXT || current === unsampled) return this.#always;
    return findSampledSpan(current) !== undefined || this.#always;
  }

  /**
   * Takes a measurement that `wants` let pass, or not, as the reservoir has it. `bucket` is where a histogram counted it, 0 elsewhere;
   * `removed` the attributes that its series does not have. Not an object: it is on the way of every measurement in a sampled span.
   */
  offer(row: number, bucket: number, value: number, from: Context | undefined, removed: Attributes): void {
    const reservoir = this.#reservoir(row);
    let place = bucket;
    if (!this.#aligned) {
      const seen = reservoir.offered++;
      // Algorithm R: every measurement of the round is equally likely to be in the sample at its end.
      place = seen < this.#places ? seen : Math.floor(this.#random() * (seen + 1));
      if (place >= this.#places) return;
    }
    const span = findSampledSpan(from) ?? anySpan(from);
    const spanContext = span?.spanContext();
    const traceId = spanContext?.traceId ?? "";
    const spanId = spanContext?.spanId ?? "";
    const taken = reservoir.taken[place];
    if (taken === undefined) {
      reservoir.taken[place] = { value, timeMs: this.#now(), traceId, spanId, filteredAttributes: removed };
    } else {
      // Writing over the old one is much cheaper than a new object in an old array, and snapshots copy anyway.
      taken.value = value;
      taken.timeMs = this.#now();
      taken.traceId = traceId;
      taken.spanId = spanId;
      taken.filteredAttributes = removed;
    }
    if (span !== undefined && span !== this.#marked) {
      this.#marked = span;
      mark(span);
    }
  }

  /** A copy for a snapshot of `rows` rows, or undefined when there is none at all. Starts the next round of the reservoirs. */
  snapshot(rows: number): readonly (readonly Exemplar[] | undefined)[] | undefined {
    if (this.#reservoirs.length === 0) return undefined;
    const copies = new Array<readonly Exemplar[] | undefined>(rows).fill(undefined);
    for (let row = 0; row < this.#reservoirs.length && row < rows; row++) {
      const reservoir = this.#reservoirs[row];
      if (reservoir === undefined) continue;
      reservoir.offered = 0;
      copies[row] = reservoir.taken.filter((exemplar) => exemplar !== undefined).map((exemplar) => ({ ...exemplar }));
    }
    return copies;
  }

  /** Forgets those of a row that was removed or started anew. */
  clear(row: number): void {
    if (row < this.#reservoirs.length) this.#reservoirs[row] = undefined;
  }

  #reservoir(row: number): Reservoir {
    const known = this.#reservoirs[row];
    if (known !== undefined) return known;
    // Without holes, which would make every access slower.
    while (this.#reservoirs.length <= row) this.#reservoirs.push(undefined);
    const reservoir = { taken: new Array<undefined>(this.#places).fill(undefined), offered: 0 };
    this.#reservoirs[row] = reservoir;
    return reservoir;
  }
}

function anySpan(from: Context | undefined): Span | undefined {
  const span = trace.getSpan(from ?? activeContext());
  return span !== undefined && hasIds(span.spanContext()) ? span : undefined;
}

/** Ids as the SDK makes them; that they are hexadecimal need not be proven again for every measurement. */
function hasIds({ traceId, spanId }: SpanContext): boolean {
  return traceId.length === 32 && traceId !== INVALID_TRACEID && spanId.length === 16 && spanId !== INVALID_SPANID;
}

/** The official SDK's spans show their attributes, and reading one is much cheaper than setting it once more. */
function mark(span: Span & { readonly attributes?: Attributes }): void {
  // A span that has ended would complain.
  if (span.attributes?.[exemplarAttribute] !== true && span.isRecording()) span.setAttribute(exemplarAttribute, true);
}

/** What a series has not of the attributes of its measurement. */
export function withoutKept(given: Attributes, kept: Attributes): Attributes {
  for (const key in given) {
    if (!Object.hasOwn(kept, key)) return settleAttributes(given, (name) => !Object.hasOwn(kept, name)).attributes;
  }
  return noAttributes;
}
