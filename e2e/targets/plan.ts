import type { Attributes } from "@opentelemetry/api";

/** Where a measurement is made: in a sampled span, in one that nobody keeps, or in none. Only the first may become an exemplar. */
export type Within = "sampled" | "unsampled" | "none";

export interface Measurement {
  readonly value: number;
  readonly attributes: Attributes;
  readonly within: Within;
}

/** One instrument, and everything that is recorded on it, in order. */
export interface PlannedInstrument {
  readonly kind: "counter" | "upDownCounter" | "gauge" | "histogram" | "exponential";
  /** What its family must be called wherever names are kept. */
  readonly name: string;
  /** The instrument's own name, where a view renames it. */
  readonly renamedFrom?: string;
  readonly help: string;
  /** Explicit bucket bounds; kind `histogram` only. */
  readonly bounds?: readonly number[];
  /** A family of a catalog: created from its entry, so that its help, unit and bounds are the catalog's. */
  readonly catalog?: true;
  readonly measurements: readonly Measurement[];
}

const sampled = (value: number, attributes: Attributes = {}): Measurement => ({ value, attributes, within: "sampled" });
const unsampled = (value: number, attributes: Attributes = {}): Measurement => ({
  value,
  attributes,
  within: "unsampled",
});
const plain = (value: number, attributes: Attributes = {}): Measurement => ({ value, attributes, within: "none" });

const vm = { operation: "Create", provider_type: "libvirt", provider: "lab", outcome: "success" };
const reflected = { namespace: "shop", reflector_resource: "Pod", cluster_id: "paris", node_name: "liqo-paris" };

/**
 * What the target records, once, before anybody scrapes it; what the scenario expects is worked out from the same table. A counter's
 * series has one sampled measurement at most, since its sample of one is taken at random; of a histogram the last in each bucket stays.
 */
export const plan: readonly PlannedInstrument[] = [
  {
    kind: "counter",
    name: "e2e_jobs_total",
    help: 'Jobs done, by "queue".\nA path is C:\\jobs\\.',
    measurements: [
      plain(1, { queue: "mail", path: 'C:\\temp\\new "file"' }),
      sampled(2.5, { queue: "mail", path: 'C:\\temp\\new "file"' }),
      unsampled(4, { queue: "mail", path: 'C:\\temp\\new "file"' }),
      plain(0, { queue: "one line\nand another", path: "ends in \\" }),
      sampled(1e21, { queue: '{a="b",c=~"d"} # 1 e', path: " 🚀 ñ " }),
      plain(7, { queue: "", path: "an empty value is no label" }),
    ],
  },
  {
    kind: "counter",
    name: "e2e.orders/placed_total",
    help: "Orders, under a name and a label that need quotes.",
    measurements: [
      sampled(3, { "http.method": "POST", città: "Zürich" }),
      plain(2, { "http.method": "GET", città: "東京" }),
    ],
  },
  {
    kind: "gauge",
    name: "e2e_temperature_celsius",
    help: "",
    measurements: [
      plain(20, { room: "north" }),
      sampled(-40.125, { room: "north" }),
      plain(1e-9, { room: "south" }),
      plain(NaN, { room: "broken" }),
      plain(-Infinity, { room: "absolute" }),
    ],
  },
  {
    kind: "gauge",
    name: "e2e.größe.世界",
    renamedFrom: "e2e.size.of.the.world",
    help: "A name outside ASCII, given by a view.",
    measurements: [plain(8.2e9)],
  },
  {
    kind: "upDownCounter",
    name: "e2e.queue-depth",
    help: "Goes up and down.",
    measurements: [plain(5, { queue: "mail" }), sampled(-7, { queue: "mail" })],
  },
  {
    kind: "histogram",
    name: "e2e_wait_seconds",
    help: "Waits, by explicit buckets.",
    bounds: [0.01, 0.1, 1, 10],
    measurements: [
      sampled(0.02, { queue: "mail" }), // The next one takes its place.
      sampled(0.03, { queue: "mail" }),
      unsampled(0.04, { queue: "mail" }),
      sampled(10, { queue: "mail" }), // On the bound, so in the bucket below it.
      plain(0.5, { queue: "mail" }),
      sampled(11, { queue: "mail" }),
      sampled(0.005, { queue: "print" }),
      plain(2, { queue: "print" }),
    ],
  },
  {
    kind: "histogram",
    name: "e2e.reply.time",
    help: "Replies, under a name that needs quotes.",
    bounds: [0.5, 2],
    measurements: [
      plain(0.25, { "http.method": "GET" }),
      sampled(1, { "http.method": "GET" }),
      sampled(3, { "http.method": "PUT" }),
    ],
  },
  {
    kind: "exponential",
    name: "e2e_size_bytes",
    help: "Sizes, by exponential buckets.",
    measurements: [
      ...[0, 1, 1.5, 3, 3, 8, 20, 100, 1000, 1024, 4000].map((value) => plain(value, { kind: "file" })),
      sampled(60, { kind: "file" }),
      unsampled(70, { kind: "file" }),
      sampled(2000, { kind: "file" }),
      // Without an exemplar: Prometheus 3.15 loses those of a purely native family's second series on.
      plain(0.5, { kind: "link" }),
    ],
  },
  {
    kind: "exponential",
    name: "e2e.reply.size",
    help: "An exponential histogram whose name needs quotes.",
    measurements: [plain(1), plain(1), sampled(300)],
  },
  {
    kind: "counter",
    name: "virtrigaud_vm_operations_total",
    help: "Attempts of VM operations that reached their result, asynchronous ones when their task ended.",
    catalog: true,
    measurements: [sampled(1, vm), plain(2, { ...vm, outcome: "failure" })],
  },
  {
    kind: "histogram",
    name: "virtrigaud_vm_operations_duration_seconds",
    help: "Time of an attempt of a VM operation from its request to its final result, in seconds.",
    catalog: true,
    bounds: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800],
    measurements: [sampled(0.2, vm), sampled(700, vm), plain(4, { ...vm, outcome: "failure" })],
  },
  {
    kind: "counter",
    name: "liqo_virtual_kubelet_reflection_error_counter",
    help: "Transient errors while reflecting objects into the remote cluster.",
    catalog: true,
    measurements: [sampled(1, reflected), plain(1, { ...reflected, reflector_resource: "Secret" })],
  },
];

/** Where the target pushes to. */
export interface Push {
  /** `service.name` of what is pushed there. */
  readonly service: string;
  readonly protocol: "http/protobuf" | "http/json" | "grpc";
  /** The whole URL; for gRPC without a path. */
  readonly url: string;
}

/** The target's only argument, as JSON. */
export interface TargetOptions {
  readonly pushes: readonly Push[];
}

/** What the target prints, as one line of JSON, when everything is recorded and its page can be scraped. */
export interface TargetReport {
  readonly metricsUrl: string;
  /** Trace of each measurement, by instrument and position in the plan; null for those made outside any span. */
  readonly traceIds: Readonly<Record<string, readonly (string | null)[]>>;
  /** When the recording began and ended, milliseconds since the Unix epoch. */
  readonly recordedMs: readonly [from: number, to: number];
}
