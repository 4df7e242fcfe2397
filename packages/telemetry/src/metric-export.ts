import { ExportResultCode, type ExportResult } from "@opentelemetry/core";
import {
  PeriodicExportingMetricReader,
  type MetricReader,
  type PushMetricExporter,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import { describeError } from "@almanac/core";
import { snapshotOf } from "@almanac/metrics/internal";

interface MetricExportOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** After each export; `error` in words when it failed for good. Must not throw. */
  readonly onExport: (outcome: "success" | "failure", error?: string) => void;
  /** Series (sets of labels) per metric, at each export. */
  readonly onCollected: (counts: ReadonlyMap<string, number>) => void;
}

/** Pushes everything every `intervalMs`. An export without a result after `timeoutMs` counts as failed, once. */
export function createMetricPush(exporter: PushMetricExporter, options: MetricExportOptions): MetricReader {
  return new PeriodicExportingMetricReader({
    exporter: observed(exporter, options),
    exportIntervalMillis: options.intervalMs,
    exportTimeoutMillis: options.timeoutMs,
  });
}

function observed(exporter: PushMetricExporter, options: MetricExportOptions): PushMetricExporter {
  return {
    export(metrics: ResourceMetrics, callback: (result: ExportResult) => void) {
      options.onCollected(seriesCounts(metrics));
      let ended = false;
      const end = (result: ExportResult): void => {
        if (ended) return;
        ended = true;
        clearTimeout(timer);
        if (result.code === ExportResultCode.SUCCESS) options.onExport("success");
        else options.onExport("failure", describeError(result.error));
        callback(result);
      };
      const late = { code: ExportResultCode.FAILED, error: new Error(`no result within ${options.timeoutMs} ms`) };
      const timer = setTimeout(() => end(late), options.timeoutMs);
      try {
        exporter.export(metrics, end);
      } catch (thrown) {
        end({ code: ExportResultCode.FAILED, error: thrown as Error });
      }
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
    ...(exporter.selectAggregationTemporality && {
      selectAggregationTemporality: exporter.selectAggregationTemporality.bind(exporter),
    }),
    ...(exporter.selectAggregation && { selectAggregation: exporter.selectAggregation.bind(exporter) }),
  };
}

/** From the engine's columns, so that nothing is converted for it. */
function seriesCounts(metrics: ResourceMetrics): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { descriptor, size } of snapshotOf(metrics).scopes.flatMap(({ streams }) => streams)) {
    counts.set(descriptor.name, (counts.get(descriptor.name) ?? 0) + size);
  }
  return counts;
}
