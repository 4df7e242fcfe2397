import { INVALID_SPANID, INVALID_TRACEID, ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import type { Attributes, Context, Span, SpanContext } from "@opentelemetry/api";
import { activeContext, contextManager } from "./active-context.ts";
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
const last: { unsampled: Context; sampled: Context | undefined; span: Span | undefined } = {
  unsampled: ROOT_CONTEXT,
  sampled: undefined,
  span: undefined,
};

/** The span of a measurement when it is sampled. */
function findSampledSpan(current: Context): Span | undefined {
  if (current === ROOT_CONTEXT || current === last.unsampled) return undefined;
  if (current === last.sampled) return last.span;
  const span = trace.getSpan(current);
  const spanContext = span?.spanContext();
  if (
    spanContext !== undefined &&
    (spanContext.traceFlags & TraceFlags.SAMPLED) !== 0 &&
    // Whoever records spans makes them with ids.
    (span?.isRecording() === true || hasIds(spanContext))
  ) {
    last.sampled = current;
    last.span = span;
    return span;
  }
  last.unsampled = current;
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

/** Where a measurement was made; empty ids outside any span. */
type Origin = Pick<SpanContext, "traceId" | "spanId">;

const nowhere: Origin = { traceId: "", spanId: "" };

/** Places that a page has room for, all rows together: large enough for its own cost not to matter. */
const placesPerPage = 512;

/** The places of some rows. A place is `row * places + place`. */
interface Page {
  /** Value and time of each place. */
  readonly numbers: Float64Array;
  /** Undefined where nothing was taken. */
  readonly origins: (Origin | undefined)[];
  /** What series have not of their measurements' attributes; there is none before the first. */
  filtered: Attributes[] | undefined;
  /** By row: measurements offered since the last snapshot, for reservoirs that take a sample. */
  readonly offered: Float64Array;
  /** By row: 1 where something was taken since the last snapshot. */
  readonly changed: Uint8Array;
  /** By row, and by place: what the last snapshot showed, which the next one shows again where it still stands. */
  readonly shown: (readonly Exemplar[] | undefined)[];
  made: (Exemplar | undefined)[] | undefined;
}

/**
 * The exemplars of one stream, in aligned histogram buckets or as a simple fixed-size sample. They are in columns: what takes them is on the
 * way of every measurement in a sampled span, and mostly waits for memory. Rows far from any with an exemplar cost nothing.
 */
export class ExemplarStore {
  /** Whether every measurement passes the filter. */
  readonly always: boolean;
  readonly #aligned: boolean;
  readonly #places: number;
  readonly #shift: number;
  readonly #mask: number;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #pages: (Page | undefined)[] = [];
  #marked: Span | undefined;

  constructor({ filter, reservoir, now, random = Math.random }: ExemplarStoreOptions) {
    this.always = filter === "always_on";
    this.#aligned = "buckets" in reservoir;
    this.#places = "buckets" in reservoir ? reservoir.buckets : reservoir.size;
    this.#shift = Math.floor(Math.log2(Math.max(1, placesPerPage / this.#places)));
    this.#mask = (1 << this.#shift) - 1;
    this.#now = now;
    this.#random = random;
  }

  /** Whether the filter lets a measurement pass. The only thing that measurements outside sampled spans cost. */
  wants(from: Context | undefined): boolean {
    let current = from;
    if (current === undefined) {
      const manager = contextManager();
      if (manager === undefined) return this.always;
      current = manager.active();
    }
    return this.always || (current !== last.unsampled && findSampledSpan(current) !== undefined);
  }

  /**
   * Takes a measurement that `wants` let pass, or not, as the reservoir has it. `bucket` is where a histogram counted it, 0 elsewhere;
   * `removed` the attributes that its series does not have. Not an object, since that would have to be made each time.
   */
  offer(row: number, bucket: number, value: number, from: Context | undefined, removed: Attributes): void {
    const page = this.#pages[row >> this.#shift] ?? this.#openPage(row >> this.#shift);
    const rowOfPage = row & this.#mask;
    let place = bucket;
    if (!this.#aligned) {
      const seen = page.offered[rowOfPage]!++;
      // Algorithm R: every measurement of the round is equally likely to be in the sample at its end.
      place = seen < this.#places ? seen : Math.floor(this.#random() * (seen + 1));
      if (place >= this.#places) return;
    }
    const at = rowOfPage * this.#places + place;
    const current = from ?? activeContext();
    const span = findSampledSpan(current) ?? anySpan(current);
    page.numbers[2 * at] = value;
    page.numbers[2 * at + 1] = this.#now();
    page.origins[at] = span === undefined ? nowhere : span.spanContext();
    page.changed[rowOfPage] = 1;
    if (removed !== noAttributes || page.filtered !== undefined) {
      page.filtered ??= new Array<Attributes>(page.origins.length).fill(noAttributes);
      page.filtered[at] = removed;
    }
    if (span !== undefined && span !== this.#marked) {
      this.#marked = span;
      mark(span);
    }
  }

  /** What there is in `rows` rows, or undefined when there is none at all. Starts the next round of the reservoirs. */
  snapshot(rows: number): readonly (readonly Exemplar[] | undefined)[] | undefined {
    if (this.#pages.length === 0) return undefined;
    const all = new Array<readonly Exemplar[] | undefined>(rows).fill(undefined);
    for (let index = 0; index < this.#pages.length; index++) {
      const page = this.#pages[index];
      if (page === undefined) continue;
      page.offered.fill(0);
      for (let rowOfPage = 0; rowOfPage <= this.#mask; rowOfPage++) {
        if (page.changed[rowOfPage] === 1) page.shown[rowOfPage] = this.#show(page, rowOfPage);
        if (page.shown[rowOfPage] !== undefined) all[(index << this.#shift) + rowOfPage] = page.shown[rowOfPage];
      }
      page.changed.fill(0);
    }
    return all;
  }

  /** Forgets those of a row that was removed or started anew. */
  clear(row: number): void {
    const page = this.#pages[row >> this.#shift];
    if (page === undefined) return;
    const rowOfPage = row & this.#mask;
    page.offered[rowOfPage] = 0;
    if (page.changed[rowOfPage] === 0 && page.shown[rowOfPage] === undefined) return;
    page.changed[rowOfPage] = 0;
    page.shown[rowOfPage] = undefined;
    page.origins.fill(undefined, rowOfPage * this.#places, (rowOfPage + 1) * this.#places);
    page.made?.fill(undefined, rowOfPage * this.#places, (rowOfPage + 1) * this.#places);
  }

  #openPage(index: number): Page {
    // Without holes, which would make every access slower.
    while (this.#pages.length <= index) this.#pages.push(undefined);
    const rows = this.#mask + 1;
    const places = rows * this.#places;
    return (this.#pages[index] = {
      numbers: new Float64Array(2 * places),
      origins: new Array<undefined>(places).fill(undefined),
      filtered: undefined,
      offered: new Float64Array(this.#aligned ? 0 : rows),
      changed: new Uint8Array(rows),
      shown: new Array<undefined>(rows).fill(undefined),
      made: undefined,
    });
  }

  #show(page: Page, rowOfPage: number): readonly Exemplar[] {
    const { numbers, origins, filtered } = page;
    const made = (page.made ??= new Array<undefined>(origins.length).fill(undefined));
    const shown: Exemplar[] = [];
    for (let at = rowOfPage * this.#places; at < (rowOfPage + 1) * this.#places; at++) {
      const origin = origins[at];
      if (origin === undefined) continue;
      const exemplar: Exemplar = {
        value: numbers[2 * at]!,
        timeMs: numbers[2 * at + 1]!,
        traceId: origin.traceId,
        spanId: origin.spanId,
        filteredAttributes: filtered?.[at] ?? noAttributes,
      };
      const known = made[at];
      shown.push(known !== undefined && sameExemplar(known, exemplar) ? known : (made[at] = exemplar));
    }
    return shown;
  }
}

function sameExemplar(a: Exemplar, b: Exemplar): boolean {
  return (
    a.spanId === b.spanId &&
    a.timeMs === b.timeMs &&
    Object.is(a.value, b.value) &&
    a.traceId === b.traceId &&
    a.filteredAttributes === b.filteredAttributes
  );
}

function anySpan(current: Context): Span | undefined {
  const span = trace.getSpan(current);
  return span !== undefined && hasIds(span.spanContext()) ? span : undefined;
}

/** Ids as the SDK makes them; that they are hexadecimal need not be proven again for every measurement. */
function hasIds({ traceId, spanId }: SpanContext): boolean {
  return traceId.length === 32 && spanId.length === 16 && !(isZero(traceId) || isZero(spanId));
}

/** Whether an id is the invalid one. Its last digit nearly always says that it is not. */
function isZero(id: string): boolean {
  return id.charCodeAt(id.length - 1) === 48 && (id === INVALID_TRACEID || id === INVALID_SPANID);
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
