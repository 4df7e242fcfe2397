import type { Attributes, Context } from "@opentelemetry/api";
import { AggregationTemporality } from "@opentelemetry/sdk-metrics";
import type { Clock } from "@almanac/core";
import { encodeAttributes, settleAttributes } from "./attributes.ts";
import type { SettledAttributes } from "./attributes.ts";
import type { Binding, BoundSeries } from "./bound.ts";
import { noAttributes, withoutKept } from "./exemplar.ts";
import type { ExemplarStore } from "./exemplar.ts";
import { noRow } from "./rows.ts";
import { SeriesIndex } from "./series-index.ts";
import type { StreamDescriptor, StreamSnapshot } from "./snapshot.ts";

/** What every kind of store is made with. */
export interface StoreOptions {
  readonly descriptor: StreamDescriptor;
  readonly temporality: AggregationTemporality;
  /** Most series, the overflow series included. */
  readonly limit: number;
  /** Which attribute keys make a series. Default: all. */
  readonly keep: ((key: string) => boolean) | undefined;
  /** Views whose effect on attributes cannot be known by key. Run at every measurement. */
  readonly process: ((attributes: Attributes, from: Context | undefined) => Attributes) | undefined;
  readonly exemplars: ExemplarStore | undefined;
  /** Series that nobody recorded in for that long are removed after a collection. Default: never. Cumulative stores only. */
  readonly idleMs: number | undefined;
  readonly clock: Clock;
  /** Whether the description is the instrument's, which may become longer, and not a view's. */
  readonly describedByInstrument: boolean;
  /** Once, when the limit is reached first. */
  readonly onFull: () => void;
}

const overflowAttributes: Attributes = Object.freeze({ "otel.metric.overflow": true });

const overflowSeries = settleAttributes(overflowAttributes, undefined);

// Pages are large enough for their own cost not to matter, and small enough for a stream of a few series.
const pageBytes = 8192;
const mostRowsPerPage = 256;
const fewestRowsPerPage = 16;

/**
 * The series of one stream: an index from attributes to rows, and columns by row. Values are in pages that never move, so that a handle
 * may keep its place.
 *
 * `touched` is 0 in rows that nobody recorded in since the last collection that cares (delta streams, expiry), where one does (`tracking`). A
 * recording that finds 0 takes the way through `activate`; that one test covers both. Handles have a test of their own, which covers removed
 * series besides.
 */
export abstract class Store {
  readonly options: StoreOptions;
  readonly index = new SeriesIndex();
  readonly exemplars: ExemplarStore | undefined;
  readonly shift: number;
  readonly mask: number;
  readonly stride: number;
  readonly values: Float64Array[] = [];
  readonly touched: Uint8Array[] = [];
  readonly attributes: (Attributes | undefined)[] = [];
  /** Who reads this store. */
  readonly readers = new Set<object>();
  /** Called for every measurement that goes into the overflow series. */
  onOverflow: (() => void) | undefined;
  protected readonly delta: boolean;
  /** Whether only what was touched since the last collection is shown, and counts against the limit. */
  readonly byInterval: boolean;
  /** Whether rows are told when they are recorded in. */
  readonly tracking: boolean;
  protected descriptor: StreamDescriptor;
  /** When the last collection was, or the stream began. */
  protected since: number;
  readonly #filters: boolean;
  readonly #process: StoreOptions["process"];
  readonly #starts: number[] = [];
  readonly #lastSeen: number[] = [];
  readonly #free: number[] = [];
  /** By row, the first of each. */
  readonly #handles: (BoundSeries | undefined)[] = [];
  readonly #pinned = new Set<number>();
  /** When each reader collected last, on the monotonic clock. Kept where series expire. */
  readonly #collectedMs = new Map<object, number>();
  #overflowRow = noRow;
  #size = 0;
  #active = 0;
  #full = false;

  constructor(stride: number, options: StoreOptions, byInterval = false) {
    this.options = options;
    this.descriptor = options.descriptor;
    this.exemplars = options.exemplars;
    this.#process = options.process;
    this.#filters = options.keep !== undefined || options.process !== undefined;
    this.delta = options.temporality === AggregationTemporality.DELTA;
    this.byInterval = byInterval || this.delta;
    this.tracking = this.byInterval || options.idleMs !== undefined;
    this.stride = stride;
    const fitting = pageBytes / Float64Array.BYTES_PER_ELEMENT / Math.max(stride, 1);
    this.shift = Math.floor(Math.log2(Math.min(Math.max(fitting, fewestRowsPerPage), mostRowsPerPage)));
    this.mask = (1 << this.shift) - 1;
    this.since = options.clock.now();
  }

  /** Adds a measurement to a row. `given` are the attributes it came with. */
  abstract update(row: number, value: number, given: Attributes, from: Context | undefined): void;
  /** A handle for a series that may not exist yet. */
  abstract bind(binding: Binding): BoundSeries;
  /** The columns as they are now. */
  protected abstract copy(columns: CommonColumns): StreamSnapshot;
  /** Sets a row to what it is before the first measurement. */
  protected abstract reset(row: number): void;

  /** Makes a row ready for the next interval. */
  protected rewind(row: number): void {
    this.reset(row);
  }

  /** Records with attributes in any shape and order. */
  record(value: number, given: Attributes, from: Context | undefined): void {
    this.update(this.locate(given, from), value, given, from);
  }

  /** The row of attributes in any shape and order, created when there is room, otherwise that of the overflow. */
  locate(given: Attributes, from: Context | undefined): number {
    const attributes = this.#process === undefined ? given : this.#process(given, from);
    const found = this.index.find(attributes);
    if (found !== noRow) return found;
    const { keep } = this.options;
    const settled = settleAttributes(attributes, keep);
    const row = this.locateSettled(settled);
    if (row !== this.#overflowRow) this.index.learn(attributes, settled, keep);
    return row;
  }

  /** Creates the series of `given` at its initial value, unless it exists. It does not expire. */
  start(given: Attributes): void {
    const settled = this.#settle(given);
    // Nothing was recorded, so the overflow has nothing to show.
    if (this.index.findSettled(settled) === noRow && this.#isFull()) return;
    const row = this.locateSettled(settled);
    if (row === this.#overflowRow) return;
    this.#pinned.add(row);
    if (this.touched[row >> this.shift]![row & this.mask] === 0) this.activate(row);
  }

  /** Row of the series, created when there is room, otherwise that of the overflow. */
  locateSettled(settled: SettledAttributes): number {
    const row = this.index.findSettled(settled);
    return row === noRow ? this.#create(settled) : row;
  }

  /** Of a row that is not touched: marks it and says where to record, which is the overflow's row when an interval is full. */
  activate(row: number): number {
    if (this.byInterval) {
      if (row !== this.#overflowRow && this.#active >= this.options.limit - 1) return this.activateOverflow();
      if (row !== this.#overflowRow) this.#active++;
    }
    this.touched[row >> this.shift]![row & this.mask] = 1;
    return row;
  }

  /** Which of a measurement's attributes its series has not. Without views that take any off, only the overflow has none of them. */
  removed(row: number, given: Attributes): Attributes {
    if (!this.#filters && row !== this.#overflowRow) return noAttributes;
    return withoutKept(given, this.attributes[row]!);
  }

  isOverflow(row: number): boolean {
    return row === this.#overflowRow;
  }

  /** Tells `handle` when its row is removed. */
  attach(row: number, handle: BoundSeries): void {
    // Without holes, which would make every access slower.
    while (this.#handles.length <= row) this.#handles.push(undefined);
    handle.sibling = this.#handles[row];
    this.#handles[row] = handle;
  }

  /** A handle there is already for a series, so that binding again and again costs nothing. */
  handleOf(settled: SettledAttributes, rule: ValueRule): BoundSeries | undefined {
    const row = this.index.findSettled(settled);
    let handle = row === noRow ? undefined : this.#handles[row];
    while (handle !== undefined && handle.rule !== rule) handle = handle.sibling;
    return handle;
  }

  /** Removes the series of exactly these attributes. */
  removeSettled(settled: SettledAttributes): boolean {
    const row = this.index.findSettled(settled);
    if (row === noRow) return false;
    this.#remove(row);
    return true;
  }

  /** Removes the series that these attributes are recorded in. */
  removeGiven(given: Attributes): boolean {
    return this.removeSettled(this.#settle(given));
  }

  /** Removes every series that has all of these attributes, and says how many. */
  removeMatching(match: Attributes): number {
    const settled = settleAttributes(match, undefined);
    // A value that is missing by mistake must not make the match a wider one.
    if (typeof match !== "object" || match === null || settled.keys.length < Object.keys(match).length) return 0;
    const wanted = Object.entries(settled.attributes);
    let removed = 0;
    for (let row = 0; row < this.attributes.length; row++) {
      const attributes = this.attributes[row];
      if (attributes === undefined || !wanted.every(([key, value]) => sameValue(attributes, key, value))) continue;
      this.#remove(row);
      removed++;
    }
    return removed;
  }

  describe(description: string): void {
    this.descriptor = { ...this.descriptor, description };
  }

  getDescriptor(): StreamDescriptor {
    return this.descriptor;
  }

  /**
   * Copies the columns for one of the readers, then lets the next interval begin (delta) and idle series go. Undefined when there is no
   * series to show.
   */
  collect(reader: object, timeMs: number): StreamSnapshot | undefined {
    const rows = this.attributes.length;
    const attributes = this.byInterval ? this.#touchedAttributes() : this.attributes.slice();
    let size = this.#size;
    if (this.byInterval) size = attributes.reduce((count, entry) => (entry === undefined ? count : count + 1), 0);
    const snapshot =
      size === 0
        ? undefined
        : this.copy({
            stream: this,
            descriptor: this.descriptor,
            temporality: this.options.temporality,
            rows,
            size,
            attributes,
            startTimesMs: this.delta ? new Float64Array(rows).fill(this.since) : this.#starts.slice(),
            exemplars: this.exemplars?.snapshot(rows),
          });
    if (this.byInterval) this.#nextInterval();
    else if (this.options.idleMs !== undefined) this.#expire(this.options.idleMs, reader);
    this.since = timeMs;
    return snapshot;
  }

  /** All pages in one array. */
  protected copyValues(): Float64Array {
    const { stride, values } = this;
    const length = this.attributes.length * stride;
    const all = new Float64Array(length);
    const pageLength = (this.mask + 1) * stride;
    for (let page = 0, at = 0; at < length; page++, at += pageLength) {
      const rest = length - at;
      all.set(rest < pageLength ? values[page]!.subarray(0, rest) : values[page]!, at);
    }
    return all;
  }

  /** Every handle of every row. */
  protected *handles(): Iterable<BoundSeries> {
    for (let row = 0; row < this.#handles.length; row++) {
      for (let handle = this.#handles[row]; handle !== undefined; handle = handle.sibling) yield handle;
    }
  }

  isTouched(row: number): boolean {
    return this.touched[row >> this.shift]![row & this.mask] !== 0;
  }

  /** When a series began, for stores that know better than its first measurement. */
  protected setStart(row: number, timeMs: number): void {
    this.#starts[row] = timeMs;
  }

  protected activateOverflow(): number {
    if (!this.#full) {
      this.#full = true;
      this.options.onFull();
    }
    this.onOverflow?.();
    if (this.#overflowRow === noRow) {
      const known = this.index.findSettled(overflowSeries);
      this.#overflowRow = known === noRow ? this.#allocate(overflowSeries) : known;
    }
    const row = this.#overflowRow;
    this.touched[row >> this.shift]![row & this.mask] = 1;
    return row;
  }

  #settle(given: Attributes): SettledAttributes {
    return settleAttributes(this.#process === undefined ? given : this.#process(given, undefined), this.options.keep);
  }

  #isFull(): boolean {
    const taken = this.byInterval ? this.#active : this.#size - (this.#overflowRow === noRow ? 0 : 1);
    return taken >= this.options.limit - 1;
  }

  #create(settled: SettledAttributes): number {
    return this.#isFull() ? this.activateOverflow() : this.#allocate(settled);
  }

  #allocate(settled: SettledAttributes): number {
    const row = this.#free.pop() ?? this.attributes.length;
    if (row >> this.shift >= this.touched.length) {
      this.values.push(new Float64Array((this.mask + 1) * this.stride));
      this.touched.push(new Uint8Array(this.mask + 1));
    }
    const { clock, idleMs } = this.options;
    this.attributes[row] = settled.attributes;
    this.#starts[row] = clock.now();
    if (idleMs !== undefined) this.#lastSeen[row] = clock.monotonic();
    this.#size++;
    this.reset(row);
    this.index.add(settled, row);
    if (!this.tracking) this.touched[row >> this.shift]![row & this.mask] = 1;
    return row;
  }

  #remove(row: number): void {
    const attributes = this.attributes[row];
    if (attributes === undefined) return;
    this.index.delete(settleAttributes(attributes, undefined));
    if (this.byInterval && row !== this.#overflowRow && this.isTouched(row)) this.#active--;
    this.attributes[row] = undefined;
    this.touched[row >> this.shift]![row & this.mask] = 0;
    this.exemplars?.clear(row);
    for (let handle = this.#handles[row]; handle !== undefined; handle = handle.detach());
    if (row < this.#handles.length) this.#handles[row] = undefined;
    this.#pinned.delete(row);
    if (row === this.#overflowRow) this.#overflowRow = noRow;
    this.#free.push(row);
    this.#size--;
  }

  #touchedAttributes(): (Attributes | undefined)[] {
    return this.attributes.map((attributes, row) => (this.isTouched(row) ? attributes : undefined));
  }

  #nextInterval(): void {
    for (let row = 0; row < this.attributes.length; row++) {
      if (this.attributes[row] === undefined) continue;
      if (!this.isTouched(row)) {
        this.#remove(row);
        continue;
      }
      this.#untouch(row);
      this.rewind(row);
      this.exemplars?.clear(row);
    }
    this.#active = 0;
  }

  /** Makes the next recording in a row go through `activate`. */
  #untouch(row: number): void {
    this.touched[row >> this.shift]![row & this.mask] = 0;
    for (let handle = this.#handles[row]; handle !== undefined; handle = handle.sibling) handle.pause();
  }

  #expire(idleMs: number, reader: object): void {
    const now = this.options.clock.monotonic();
    this.#collectedMs.set(reader, now);
    let othersMs = Infinity;
    for (const other of this.readers) {
      if (other !== reader) othersMs = Math.min(othersMs, this.#collectedMs.get(other) ?? -Infinity);
    }
    for (let row = 0; row < this.attributes.length; row++) {
      if (this.isTouched(row)) {
        this.#lastSeen[row] = now;
        this.#untouch(row);
      } else if (this.attributes[row] !== undefined && !this.#pinned.has(row)) {
        const seenMs = this.#lastSeen[row]!;
        // Each reader is to show the last of a series. One that has stopped reading is not waited for.
        const patience = seenMs < othersMs ? idleMs : 2 * idleMs;
        if (now - seenMs >= patience) this.#remove(row);
      }
    }
  }
}

/** What every kind of snapshot has. */
export type CommonColumns = Pick<
  StreamSnapshot,
  "stream" | "descriptor" | "temporality" | "rows" | "size" | "attributes" | "startTimesMs" | "exemplars"
>;

/** Which values an instrument takes. */
export interface ValueRule {
  /** Values below are not taken, nor is what is no number. */
  readonly lowest: number;
  /** Values above are not taken. */
  readonly highest: number;
  readonly integer: boolean;
  /** For a value that is not taken as it is: the value to record, or undefined for none. Complains. */
  repair(value: unknown): number | undefined;
}

function sameValue(attributes: Attributes, key: string, value: unknown): boolean {
  if (!Object.hasOwn(attributes, key)) return false;
  const own = attributes[key];
  if (typeof own !== "object" || own === null) return own === value || (own !== own && value !== value);
  return encodeAttributes({ value: own }) === encodeAttributes({ value: value });
}
