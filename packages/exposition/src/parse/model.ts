/** The formats of a Prometheus page. `text-1.0.0` is `text` with quoted UTF-8 names. */
export type PageFormat = (typeof pageFormats)[number];

export const pageFormats = ["text", "text-1.0.0", "openmetrics", "protobuf"] as const;

export type ParsedType =
  "counter" | "gauge" | "histogram" | "gaugehistogram" | "summary" | "info" | "stateset" | "unknown";

export interface ParsedExemplar {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly timestampMs: number | undefined;
}

export interface ParsedSample {
  /** The series' name with its suffix, e.g. `request_seconds_bucket`. */
  readonly name: string;
  /** Without the name, in the order of the page. */
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly timestampMs: number | undefined;
  readonly exemplar: ParsedExemplar | undefined;
}

/** One native histogram, protobuf only. Counts are floats where the page says so; whole numbers above 2^53 are rounded. */
export interface ParsedNativeHistogram {
  readonly labels: ReadonlyMap<string, string>;
  readonly timestampMs: number | undefined;
  /** -4 … 8: each power of two is divided into 2^schema buckets. */
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly count: number;
  readonly sum: number;
  /** Count of every bucket of positive numbers that is not empty by its index `i`: from `base^(i-1)` exclusively to `base^i`. */
  readonly positive: ReadonlyMap<number, number>;
  readonly negative: ReadonlyMap<number, number>;
  readonly exemplars: readonly ParsedExemplar[];
}

export interface ParsedFamily {
  /** As in the TYPE line. In OpenMetrics a counter's lacks `_total` and an info's `_info`. */
  readonly name: string;
  /** `unknown` without a TYPE line and for `untyped`. */
  readonly type: ParsedType;
  /** Empty when there is none. */
  readonly help: string;
  readonly unit: string;
  /** In the order of the page. Protobuf's structured metrics appear as the samples that the text formats would have. */
  readonly samples: readonly ParsedSample[];
  readonly nativeHistograms: readonly ParsedNativeHistogram[];
}

/** Families by name, in the order of the page. */
export type ParsedPage = ReadonlyMap<string, ParsedFamily>;
