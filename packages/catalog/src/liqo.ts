import { defineCatalog } from "./catalog.ts";
import { anyValue, oneOf } from "./label.ts";
import { peerLatencyBucketsMicroseconds, reflectorResources, tunnelDrivers } from "./sets.ts";

const peer = { driver: tunnelDrivers, cluster_id: anyValue("id of the remote cluster", "milan") };

const reflection = {
  namespace: anyValue("local namespace", "default"),
  reflector_resource: reflectorResources,
  cluster_id: anyValue("id of the remote cluster", "milan"),
  node_name: anyValue("name of the virtual node", "liqo-milan"),
};

const microseconds = "Liqo publishes round trips in microseconds, and its dashboards depend on the name.";

/**
 * The metrics of Liqo: its network gateway and its virtual kubelet.
 * Source: Liqo's documentation, "Prometheus Metrics", and the label keys its own exporters use.
 */
export const liqo = defineCatalog("liqo", {
  liqo_peer_receive_bytes_total: {
    type: "counter",
    observed: true,
    labels: peer,
    unit: "bytes",
    owners: ["gateway"],
    help: "Bytes received from a remote cluster through the tunnel.",
    movesWhen:
      "the tunnel counted received bytes, connected or not; never falls when the device or the peer is made anew",
  },
  liqo_peer_transmit_bytes_total: {
    type: "counter",
    observed: true,
    labels: peer,
    unit: "bytes",
    owners: ["gateway"],
    help: "Bytes transmitted to a remote cluster through the tunnel.",
    movesWhen: "the tunnel counted sent bytes, connected or not; never falls when the device or the peer is made anew",
  },
  liqo_peer_latency_us: {
    type: "gauge",
    observed: true,
    labels: peer,
    unit: "us",
    owners: ["gateway"],
    onlyIf: "the gateway pings its peers",
    help: "Last round trip to a remote cluster and back in microseconds, absent while disconnected.",
    movesWhen: "a ping was answered; the series is gone while the peer is disconnected",
    accepts: { "base-unit": microseconds },
  },
  liqo_peer_latency_histogram_us: {
    type: "histogram",
    labels: peer,
    buckets: peerLatencyBucketsMicroseconds,
    unit: "us",
    owners: ["gateway"],
    onlyIf: "the gateway pings its peers",
    help: "Round trips to a remote cluster and back in microseconds.",
    movesWhen: "a ping was answered, once per ping and never per scrape",
    accepts: {
      "base-unit": microseconds,
      "type-in-name": "A second family for the same round trips needs a name of its own beside liqo_peer_latency_us.",
    },
  },
  liqo_peer_is_connected: {
    type: "gauge",
    observed: true,
    labels: peer,
    owners: ["gateway"],
    onlyIf: "the gateway pings its peers",
    help: "1 while a remote cluster answers pings, otherwise 0.",
    movesWhen: "the connection is lost or found, at that moment and not at the next status write",
  },
  liqo_wireguard_implementation: {
    type: "gauge",
    observed: true,
    labels: { driver: tunnelDrivers, implementation: oneOf("kernel", "userspace") },
    owners: ["gateway"],
    onlyIf: "the tunnel driver is wireguard",
    help: "Always 1, with the WireGuard implementation in use in its labels.",
    movesWhen: "another implementation is found in use",
  },
  liqo_virtual_kubelet_reflection_item_counter: {
    type: "gauge",
    instrument: "upDownCounter",
    labels: reflection,
    owners: ["virtual-kubelet"],
    help: "Objects reflected into the remote cluster and in sync there now.",
    movesWhen:
      "an object came in sync or ceased to be; falls on deletion, reaches 0 when nothing is reflected, right after a restart too",
    accepts: { "type-in-name": "Liqo publishes this gauge as a counter by name, and its dashboards depend on it." },
  },
  liqo_virtual_kubelet_reflection_error_counter: {
    type: "counter",
    labels: reflection,
    owners: ["virtual-kubelet"],
    help: "Transient errors while reflecting objects into the remote cluster.",
    movesWhen:
      "reflecting failed for a passing reason: no reflector and no fallback for the namespace, a fallback not ready, one of the two informers not synced; a planned re-queue does not count",
    accepts: {
      "total-suffix": "Liqo publishes exactly this name; appending _total would break every query on it.",
      "type-in-name": "Liqo publishes exactly this name, and its dashboards depend on it.",
    },
  },
});
