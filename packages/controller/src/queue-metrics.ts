interface Counter {
  add(value: number, labels: { name: string }): void;
}
interface Histogram {
  record(value: number, labels: { name: string }): void;
}
interface ObservedGauge {
  observe(callback: (observe: (value: number, labels: { name: string }) => void) => void): Disposable;
}

/** The families of a work queue, as client-go's; a Telemetry's `stack` fits. */
export interface QueueInstruments {
  readonly workqueue_depth: ObservedGauge;
  readonly workqueue_adds_total: Counter;
  readonly workqueue_retries_total: Counter;
  readonly workqueue_queue_duration_seconds: Histogram;
  readonly workqueue_work_duration_seconds: Histogram;
  readonly workqueue_unfinished_work_seconds: ObservedGauge;
  readonly workqueue_longest_running_processor_seconds: ObservedGauge;
}
