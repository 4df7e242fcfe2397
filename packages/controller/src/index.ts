export { ControllerError } from "./error.ts";
export { again, done, failure, terminal } from "./result.ts";
export {
  and,
  annotationsChanged,
  generationChanged,
  labelsChanged,
  not,
  or,
  resourceVersionChanged,
} from "./predicates.ts";
export { createController } from "./controller.ts";
export { createFixedShard, createLeaderPartition, shardOf } from "./partition.ts";
export { createShards } from "./shards.ts";
export { createWorkQueue } from "./work-queue.ts";
export { ownerRequests, watch } from "./watches.ts";
export { runControllers } from "./run-controllers.ts";
export type { BackoffOptions } from "./backoff.ts";
export type { Controller, ControllerOptions, ControllerTelemetry, ReconcileContext, Reconciled } from "./controller.ts";
export type { ControllerErrorCode } from "./error.ts";
export type { OwnerOptions, Request, Watch, WatchSettings } from "./watches.ts";
export type { Hold, Partition } from "./partition.ts";
export type { Shards, ShardsOptions } from "./shards.ts";
export type { Predicate } from "./predicates.ts";
export type { Priority, WorkCause, WorkItem, WorkQueue, WorkQueueOptions } from "./work-queue.ts";
export type { QueueInstruments } from "./queue-metrics.ts";
export type { ReconcileOutcome, Result } from "./result.ts";
export type { RunControllersOptions, Startable } from "./run-controllers.ts";
