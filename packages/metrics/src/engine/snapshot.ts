import type { Attributes, ValueType } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import type {
  AggregationTemporality,
  InstrumentType,
  MetricCollectOptions,
  MetricProducer,
} from "@opentelemetry/sdk-metrics";

/**
 * Everything one reader sees at one moment. Nothing in it changes afterwards, so a page or a message may be written from it in slices.
 * Arrays have an entry per *row*. A row is a series' place: the same series has the same row, and the identical (frozen) `attributes`
 * object, in every later snapshot of its stream until it is removed; then the row is a hole, and may later be another series'.
 */
export interface MetricsSnapshot {
  readonly resource: Resource;
  /** When it was taken, milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** In the order in which the scopes were first asked for. Scopes and streams without series are left out. */
  readonly scopes: readonly ScopeSnapshot[];
  /** What observable callbacks threw. */
  readonly errors: readonly unknown[];
}

export interface ScopeSnapshot {
  readonly scope: { readonly name: string; readonly version?: string; readonly schemaUrl?: string };
  readonly streams: readonly StreamSnapshot[];
}

/** One metric. `kind` says where the values are. */
export type StreamSnapshot = ScalarSnapshot | HistogramSnapshot | ExponentialSnapshot;

interface StreamBase {
  /** The same object in every snapshot of the stream: a key for caches. */
  readonly stream: object;
  readonly descriptor: StreamDescriptor;
  readonly temporality: AggregationTemporality;
  /** Length of the columns, holes included. */
  readonly rows: number;
  /** Rows that are not holes. */
  readonly size: number;
  /** Undefined marks a hole. Compare by identity to know whether a row is still the same series. */
  readonly attributes: readonly (Attributes | undefined)[];
  /** Milliseconds since the Unix epoch, per row. */
  readonly startTimesMs: ArrayLike<number>;
  /**
   * Per row, by bucket for histograms; undefined where a row, or the whole stream, has none. An exemplar that still stands is the identical
   * object in the next snapshot, and so is a row's array when all of them do: keys for caches.
   */
  readonly exemplars: readonly (readonly Exemplar[] | undefined)[] | undefined;
}

/** What a metric is called, after views. */
export interface StreamDescriptor {
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly type: InstrumentType;
  readonly valueType: ValueType;
}

/** Sums and last values: one number per row. */
export interface ScalarSnapshot extends StreamBase {
  readonly kind: "sum" | "gauge";
  /** For sums: whether they only grow. */
  readonly monotonic: boolean;
  readonly values: Float64Array;
}

/** Offsets within a row of `HistogramSnapshot.values`. */
export const histogramSum = 0;
export const histogramMin = 1;
export const histogramMax = 2;
export const histogramCounts = 3;

/**
 * Explicit buckets. Row `r` starts at `r * stride` in `values`: sum, minimum, maximum (Infinity and -Infinity before the first value), then
 * the count of each bucket, not cumulative, the one above the last bound included. The total count is the sum of the buckets'.
 */
export interface HistogramSnapshot extends StreamBase {
  readonly kind: "histogram";
  /** Upper bounds, inclusive, increasing, finite. */
  readonly boundaries: readonly number[];
  readonly stride: number;
  readonly values: Float64Array;
  /** False where negative values are possible: their sum means nothing as a counter. */
  readonly hasSum: boolean;
  readonly hasMinMax: boolean;
}

/** Exponential buckets, per row. */
export interface ExponentialSnapshot extends StreamBase {
  readonly kind: "exponential";
  readonly points: readonly (ExponentialPoint | undefined)[];
  readonly hasSum: boolean;
  readonly hasMinMax: boolean;
}

export interface ExponentialPoint {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly zeroCount: number;
  readonly scale: number;
  readonly positive: ExponentialBuckets;
  readonly negative: ExponentialBuckets;
}

/** `counts[i]` counts values in (base ** (offset + i), base ** (offset + i + 1)], base = 2 ** (2 ** -scale). */
export interface ExponentialBuckets {
  readonly offset: number;
  readonly counts: readonly number[];
}

/** One measurement that stands for others (metrics data model, exemplars). */
export interface Exemplar {
  readonly value: number;
  readonly timeMs: number;
  /** Empty where the measurement was made outside a span. */
  readonly traceId: string;
  readonly spanId: string;
  /** Attributes of the measurement that a view took off the series. */
  readonly filteredAttributes: Attributes;
}

/** What this engine hands to `MetricReader.setMetricProducer`: the official producer, and the columns as they are. */
export interface SnapshotProducer extends MetricProducer {
  /** Runs the observable callbacks and copies the columns. Calls of one reader run one after the other. */
  snapshot(options?: MetricCollectOptions): Promise<MetricsSnapshot>;
}

/** Whether a producer is this engine's, so that a reader may render from columns. */
export function isSnapshotProducer(producer: MetricProducer): producer is SnapshotProducer {
  return "snapshot" in producer && typeof producer.snapshot === "function";
}
