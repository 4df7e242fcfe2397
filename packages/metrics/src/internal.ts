export { snapshotOf } from "./engine/resource-metrics.ts";
export { histogramCounts, histogramMax, histogramMin, histogramSum, isSnapshotProducer } from "./engine/snapshot.ts";
export type {
  Exemplar,
  ExponentialBuckets,
  ExponentialPoint,
  ExponentialSnapshot,
  HistogramSnapshot,
  MetricsSnapshot,
  ScalarSnapshot,
  ScopeSnapshot,
  SnapshotProducer,
  StreamDescriptor,
  StreamSnapshot,
} from "./engine/snapshot.ts";
