import { diag, DiagLogLevel } from "@opentelemetry/api";
import type { Attributes } from "@opentelemetry/api";
import { AggregationTemporality, MetricReader } from "@opentelemetry/sdk-metrics";
import type { AggregationTemporalitySelector, MetricData, MetricReaderOptions } from "@opentelemetry/sdk-metrics";
import { createMeterProvider } from "./provider.ts";
import type { MeterProviderOptions } from "./provider.ts";
import type { Exemplar } from "./snapshot.ts";

/** A reader that collects when it is told to, and says what became of it. */
export class ManualReader extends MetricReader {
  flushed = 0;
  closed = 0;

  constructor(
    temporality: AggregationTemporality | AggregationTemporalitySelector = AggregationTemporality.CUMULATIVE,
    options: MetricReaderOptions = {},
  ) {
    const select = typeof temporality === "function" ? temporality : () => temporality;
    super({ ...options, aggregationTemporalitySelector: select });
  }

  protected override async onForceFlush(): Promise<void> {
    this.flushed++;
  }

  protected override async onShutdown(): Promise<void> {
    this.closed++;
  }

  /** What one collection gives, by metric name. */
  async metrics(timeoutMillis?: number): Promise<{ all: ReadonlyMap<string, MetricData>; errors: readonly unknown[] }> {
    const { resourceMetrics, errors } = await this.collect(timeoutMillis === undefined ? {} : { timeoutMillis });
    const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return { all: new Map(all.map((metric) => [metric.descriptor.name, metric])), errors };
  }

  async points(name: string): Promise<readonly Point[]> {
    return ((await this.metrics()).all.get(name)?.dataPoints ?? []) as readonly Point[];
  }

  /** Series of one metric as `a=1 b=2: value`, histograms as `count in sum`. */
  async series(name: string): Promise<string[]> {
    return (await this.points(name)).map(({ attributes, value }) => {
      const labels = Object.entries(attributes).map(([key, label]) => `${key}=${String(label)}`);
      const shown = typeof value === "number" ? value : `${value.count} in ${value.sum}`;
      return `${labels.join(" ")}: ${shown}`;
    });
  }
}

interface Point {
  readonly attributes: Attributes;
  readonly startTime: readonly [number, number];
  readonly endTime: readonly [number, number];
  readonly value:
    number | { readonly count: number; readonly sum: number; readonly min?: number; readonly max?: number };
  readonly exemplars?: readonly Exemplar[];
}

/** A provider with one cumulative reader unless told otherwise. */
export function openProvider(options: MeterProviderOptions = {}) {
  const reader = new ManualReader();
  const provider = createMeterProvider({ readers: [reader], ...options });
  return { reader, provider, meter: provider.getMeter("test") };
}

/** Runs something and returns the API's diagnostics of it. */
export async function warningsOf(run: () => unknown): Promise<readonly string[]> {
  const warnings: string[] = [];
  const note = (...message: unknown[]): void => void warnings.push(message.map(String).join(" "));
  const ignore = (): void => undefined;
  diag.setLogger(
    { error: note, warn: note, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  try {
    await run();
  } finally {
    diag.disable();
  }
  return warnings;
}
