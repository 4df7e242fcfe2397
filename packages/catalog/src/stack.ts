import { defineCatalog } from "./catalog.ts";
import { anyValue, oneOf, optionalValue } from "./label.ts";
import {
  callBucketsSeconds,
  grpcCodes,
  scrapeBucketsSeconds,
  violationReasons,
  workQueueBucketsSeconds,
} from "./sets.ts";
import { nodejsFamilies, processFamilies } from "./stack-process.ts";

const call = {
  rpc_method: anyValue("full name of the service and the method", "almanac.provider.v1.Provider/CreateVM"),
  rpc_system_name: oneOf("grpc"),
  error_type: optionalValue("what went wrong, usually the status name; absent when the call succeeded", "UNAVAILABLE"),
  rpc_status_code: grpcCodes,
};

const queue = { name: anyValue("name of the queue, usually its controller's", "virtualmachine") };

const family = anyValue("name of a metric family", "workqueue_depth");

const formats = oneOf("text", "openmetrics", "protobuf");

const withQueues = "the process has work queues";

/**
 * What every process says about itself: the instrumentation's own health, gRPC calls (OpenTelemetry semantic conventions for RPC metrics
 * under their Prometheus names), work queues and leader election (client-go's names), and the process and runtime (the Prometheus client
 * conventions, prom-client's names for Node.js).
 */
export const stack = defineCatalog("stack", {
  almanac_catalog_violations_total: {
    type: "counter",
    labels: { family, reason: violationReasons },
    owners: ["process"],
    onlyIf: "a measurement broke the catalog",
    help: "Measurements that were repaired or dropped because they did not fit their family's catalog entry.",
    movesWhen: "a measurement was repaired or dropped",
  },
  almanac_series: {
    type: "gauge",
    observed: true,
    labels: { family },
    owners: ["process"],
    help: "Series held now, by family.",
    movesWhen: "a series appears or is removed; read at every collection",
  },
  almanac_scrape_duration_seconds: {
    type: "histogram",
    labels: { format: formats },
    buckets: scrapeBucketsSeconds,
    unit: "seconds",
    owners: ["process"],
    onlyIf: "a page was served before",
    help: "Time from the request of a page of metrics to its last byte, in seconds.",
    movesWhen: "a page was served",
  },
  almanac_scrape_size_bytes: {
    type: "gauge",
    labels: { format: formats },
    unit: "bytes",
    owners: ["process"],
    onlyIf: "a page was served before",
    help: "Size of the last page of metrics before compression, in bytes.",
    movesWhen: "a page was served",
  },
  almanac_collection_errors_total: {
    type: "counter",
    labels: { source: anyValue("what the measurements were to be read from", "wireguard") },
    owners: ["process"],
    onlyIf: "a source failed",
    help: "Failures of a source of measurements during a collection; everything else is served.",
    movesWhen: "a source of measurements threw, rejected or did not answer in time",
  },
  almanac_otlp_exports_total: {
    type: "counter",
    labels: { signal: oneOf("metrics", "traces"), outcome: oneOf("success", "failure") },
    owners: ["process"],
    help: "OTLP export batches that ended.",
    movesWhen: "an export batch ended",
  },
  almanac_spans_dropped_total: {
    type: "counter",
    labels: { cause: oneOf("queue_full", "retries_exhausted", "shutdown") },
    owners: ["process"],
    help: "Spans that were recorded and never exported.",
    movesWhen: "spans were dropped",
  },
  rpc_client_call_duration_seconds: {
    type: "histogram",
    labels: call,
    buckets: callBucketsSeconds,
    unit: "seconds",
    owners: ["process"],
    onlyIf: "the process makes gRPC calls",
    help: "Time of an outgoing gRPC call in seconds.",
    movesWhen: "one outgoing call ended",
  },
  rpc_server_call_duration_seconds: {
    type: "histogram",
    labels: call,
    buckets: callBucketsSeconds,
    unit: "seconds",
    owners: ["process"],
    onlyIf: "the process serves gRPC calls",
    help: "Time of an incoming gRPC call in seconds.",
    movesWhen: "one incoming call ended",
  },
  workqueue_depth: {
    type: "gauge",
    observed: true,
    labels: queue,
    owners: ["process"],
    onlyIf: withQueues,
    help: "Keys ready and waiting in a work queue.",
    movesWhen: "a key becomes ready or a worker takes one; read at every collection",
  },
  workqueue_adds_total: {
    type: "counter",
    labels: queue,
    owners: ["process"],
    onlyIf: withQueues,
    help: "Keys a work queue accepted, those already waiting not counted again.",
    movesWhen: "a key was added that was not waiting yet",
  },
  workqueue_retries_total: {
    type: "counter",
    labels: queue,
    owners: ["process"],
    onlyIf: withQueues,
    help: "Keys given back to a work queue with a rate limit.",
    movesWhen: "a key was added again after a failure",
  },
  workqueue_queue_duration_seconds: {
    type: "histogram",
    labels: queue,
    buckets: workQueueBucketsSeconds,
    unit: "seconds",
    owners: ["process"],
    onlyIf: withQueues,
    help: "Time a key waited in a work queue before a worker took it, in seconds.",
    movesWhen: "a worker took a key",
  },
  workqueue_work_duration_seconds: {
    type: "histogram",
    labels: queue,
    buckets: workQueueBucketsSeconds,
    unit: "seconds",
    owners: ["process"],
    onlyIf: withQueues,
    help: "Time a worker spent on a key, in seconds.",
    movesWhen: "a worker was done with a key",
  },
  workqueue_unfinished_work_seconds: {
    type: "gauge",
    observed: true,
    labels: queue,
    unit: "seconds",
    owners: ["process"],
    onlyIf: withQueues,
    help: "Seconds all workers together have spent so far on the keys they hold now; growth means stuck workers.",
    movesWhen: "workers hold keys; read at every collection",
  },
  workqueue_longest_running_processor_seconds: {
    type: "gauge",
    observed: true,
    labels: queue,
    unit: "seconds",
    owners: ["process"],
    onlyIf: withQueues,
    help: "Seconds the slowest worker has spent so far on the key it holds now.",
    movesWhen: "workers hold keys; read at every collection",
  },
  leader_election_master_status: {
    type: "gauge",
    labels: { name: anyValue("name of the Lease", "virtrigaud-manager") },
    owners: ["process"],
    onlyIf: "the process takes part in a leader election",
    help: "1 while this process leads, otherwise 0.",
    movesWhen: "leadership is gained or lost",
  },
  ...processFamilies,
  ...nodejsFamilies,
});
