import type { stack } from "@almanac/catalog";
import { createCleanup } from "@almanac/core";
import type { Clock } from "@almanac/core";
import type { Instruments } from "@almanac/metrics";

/** The families of a work queue, as client-go's; a Telemetry's `stack` fits. */
export type QueueInstruments = Pick<
  Instruments<typeof stack>,
  | "workqueue_depth"
  | "workqueue_adds_total"
  | "workqueue_retries_total"
  | "workqueue_queue_duration_seconds"
  | "workqueue_work_duration_seconds"
  | "workqueue_unfinished_work_seconds"
  | "workqueue_longest_running_processor_seconds"
>;

/** What a queue reports about itself. Source: client-go, util/workqueue, metrics. */
interface QueueMetrics extends Disposable {
  added(): void;
  retried(): void;
  taken(waitedSeconds: number): void;
  finished(workedSeconds: number): void;
}

interface QueueState {
  readonly depth: number;
  /** When each key in work was taken, on the monotonic clock. */
  workingSinceMs(): Iterable<number>;
}

const silent: QueueMetrics = { added() {}, retried() {}, taken() {}, finished() {}, [Symbol.dispose]() {} };

export function createQueueMetrics(
  name: string,
  state: QueueState,
  clock: Clock,
  instruments: QueueInstruments | undefined,
): QueueMetrics {
  if (instruments === undefined) return silent;
  const labels = { name };
  const adds = instruments.workqueue_adds_total.bind(labels);
  const retries = instruments.workqueue_retries_total.bind(labels);
  const waits = instruments.workqueue_queue_duration_seconds.bind(labels);
  const works = instruments.workqueue_work_duration_seconds.bind(labels);
  // So that rate() sees the first event too.
  instruments.workqueue_adds_total.start(labels);
  instruments.workqueue_retries_total.start(labels);
  const observed = createCleanup();
  const source = { source: "workqueue" };
  observed.use(instruments.workqueue_depth.observe((observe) => observe(state.depth, labels), source));
  observed.use(
    instruments.workqueue_unfinished_work_seconds.observe((observe) => {
      let seconds = 0;
      for (const since of state.workingSinceMs()) seconds += (clock.monotonic() - since) / 1000;
      observe(seconds, labels);
    }, source),
  );
  observed.use(
    instruments.workqueue_longest_running_processor_seconds.observe((observe) => {
      let seconds = 0;
      for (const since of state.workingSinceMs()) seconds = Math.max(seconds, (clock.monotonic() - since) / 1000);
      observe(seconds, labels);
    }, source),
  );
  return {
    added: () => adds.add(1),
    retried: () => retries.add(1),
    taken: (seconds) => waits.record(seconds),
    finished: (seconds) => works.record(seconds),
    [Symbol.dispose]: () => observed[Symbol.dispose](),
  };
}
