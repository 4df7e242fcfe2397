import { AggregationTemporality } from "@opentelemetry/sdk-metrics";
import type { AggregationOption, IMetricReader } from "@opentelemetry/sdk-metrics";
import { diag } from "@opentelemetry/api";
import type { Clock } from "@almanac/core";
import { aggregationKey, createStore, isObservable, resolveAggregation } from "./aggregation.ts";
import { sameStream } from "./conflict.ts";
import type { ConflictReport } from "./conflict.ts";
import type { ExemplarFilter } from "./exemplar.ts";
import type { ScopeSnapshot, StreamDescriptor, StreamSnapshot } from "./snapshot.ts";
import type { Store } from "./store.ts";
import type { View } from "./view.ts";

/** Default of a reader that names none (metrics SDK specification, cardinality limits). */
const defaultLimit = 2000;

/** What all streams of a provider have in common. */
export interface StreamContext {
  readonly views: readonly View[];
  readonly readers: readonly IMetricReader[];
  readonly exemplarFilter: ExemplarFilter;
  readonly idleMs: number | undefined;
  readonly clock: Clock;
}

interface Stream {
  readonly store: Store;
  readonly view: View | undefined;
  /** Equal where two streams may share a store. */
  readonly key: string;
}

/**
 * The streams of one scope. Readers that want the same share a store, so that a measurement is written once however many there are:
 * cumulative values never change by being read. Delta streams, and what callbacks report, belong to one reader each.
 */
export class StreamRegistry {
  readonly #context: StreamContext;
  readonly #scope: ScopeSnapshot["scope"];
  readonly #streams: Stream[] = [];
  /** By name in lower case, which is what names are compared in. */
  readonly #named = new Map<string, Stream[]>();

  constructor(context: StreamContext, scope: ScopeSnapshot["scope"]) {
    this.#context = context;
    this.#scope = scope;
  }

  /** The same for all scopes of a provider. */
  get provider(): object {
    return this.#context;
  }

  /** The stores an instrument writes to: one per view that matches and per reader that wants another. */
  register(
    instrument: StreamDescriptor,
    advice: readonly number[] | undefined,
    conflict: ConflictReport,
  ): readonly Store[] {
    const matching = this.#context.views.filter((view) => view.matches(instrument, this.#scope));
    const stores = new Set<Store>();
    for (const view of matching.length > 0 ? matching : [undefined]) {
      for (const reader of this.#context.readers) {
        const store = this.#open({ instrument, advice, view, reader, conflict });
        if (store !== undefined) stores.add(store);
      }
    }
    return [...stores];
  }

  collect(reader: IMetricReader, timeMs: number): StreamSnapshot[] {
    const snapshots: StreamSnapshot[] = [];
    for (const { store } of this.#streams) {
      const snapshot = store.readers.has(reader) ? store.collect(reader, timeMs) : undefined;
      if (snapshot !== undefined) snapshots.push(snapshot);
    }
    return snapshots;
  }

  #open({ instrument, advice, view, reader, conflict }: Opening): Store | undefined {
    const { type } = instrument;
    const option: AggregationOption = view?.aggregation ?? reader.selectAggregation(type);
    const aggregation = resolveAggregation(option, type, advice);
    const temporality = reader.selectAggregationTemporality(type);
    const shared = temporality === AggregationTemporality.CUMULATIVE && !isObservable(type);
    const limit = settleLimit(view?.limit ?? reader.selectCardinalityLimit?.(type));
    const descriptor: StreamDescriptor = {
      ...instrument,
      name: view?.name ?? instrument.name,
      description: view?.description ?? instrument.description,
    };
    const key = `${aggregationKey(aggregation)} ${temporality} ${limit}`;
    const name = descriptor.name.toLowerCase();
    const named = this.#named.get(name) ?? [];
    const rivals = named.filter((stream) => shared || stream.store.readers.has(reader));
    const twin = rivals.find(
      (stream) =>
        stream.key === key && sameAttributes(stream.view, view) && sameStream(stream.store.getDescriptor(), descriptor),
    );
    if (twin !== undefined) {
      const known = twin.store.getDescriptor();
      if (known.description !== descriptor.description) conflict.descriptors(known, descriptor);
      if (descriptor.description.length > known.description.length) twin.store.describe(descriptor.description);
      twin.store.readers.add(reader);
      return twin.store;
    }
    // Another reader's stream of the same instrument is no rival: each reader sees one.
    const rival = rivals.find((stream) => stream.store.readers.has(reader));
    if (rival !== undefined) conflict.descriptors(rival.store.getDescriptor(), descriptor);
    const store = createStore(aggregation, {
      descriptor,
      temporality,
      limit,
      keep: view?.keep,
      process: view?.process,
      describedByInstrument: view?.description === undefined,
      exemplarFilter: this.#context.exemplarFilter,
      idleMs: shared ? this.#context.idleMs : undefined,
      clock: this.#context.clock,
      onFull: () =>
        diag.warn(
          `${descriptor.name} has reached its limit of ${limit} series; further ones go into {otel.metric.overflow="true"}. Record fewer values per attribute, or raise aggregationCardinalityLimit in a view`,
        ),
    });
    if (store === undefined) return undefined;
    store.readers.add(reader);
    const stream = { store, view, key };
    this.#streams.push(stream);
    named.push(stream);
    this.#named.set(name, named);
    return store;
  }
}

interface Opening {
  readonly instrument: StreamDescriptor;
  readonly advice: readonly number[] | undefined;
  readonly view: View | undefined;
  readonly reader: IMetricReader;
  readonly conflict: ConflictReport;
}

/** Whether two views leave the same attributes. Those that name none leave all. */
function sameAttributes(a: View | undefined, b: View | undefined): boolean {
  return a === b || (!filters(a) && !filters(b));
}

function filters(view: View | undefined): boolean {
  return view !== undefined && (view.keep !== undefined || view.process !== undefined);
}

function settleLimit(limit: number | undefined): number {
  return limit !== undefined && limit >= 1 ? Math.floor(limit) : defaultLimit;
}
