import { defineCatalog } from "./catalog.ts";
import { anyValue, oneOf, processOwner } from "./label.ts";
import {
  domainStates,
  durationBucketsSeconds,
  errorReasons,
  grpcCodes,
  kinds,
  outcomes,
  providerMethods,
  providerTypes,
  snapshotActions,
  vmOperationBucketsSeconds,
  vmOperations,
} from "./sets.ts";

const provider = anyValue("name of the Provider object", "libvirt-lab");
const component = processOwner("manager", "provider");
const datacenter = anyValue("vSphere datacenter, the configured or the first one, never empty", "DC0");
const host = anyValue("host of the libvirt connection", "hypervisor-1");

/**
 * The metrics catalog of VirtRigaud: its manager and its hypervisor providers.
 * Source: VirtRigaud's documentation, "Metrics Catalog"; where that page and the running system disagree, the meaning is fixed here.
 */
export const virtrigaud = defineCatalog("virtrigaud", {
  virtrigaud_manager_reconcile_total: {
    type: "counter",
    labels: { kind: kinds, outcome: outcomes },
    owners: ["manager"],
    help: "Reconciles that ended, by resource kind and outcome.",
    movesWhen: "one reconcile ended",
  },
  virtrigaud_manager_reconcile_duration_seconds: {
    type: "histogram",
    labels: { kind: kinds },
    buckets: durationBucketsSeconds,
    unit: "seconds",
    owners: ["manager"],
    help: "Wall time of the reconcile function in seconds, by resource kind.",
    movesWhen: "one reconcile ended",
  },
  virtrigaud_queue_depth: {
    type: "gauge",
    observed: true,
    labels: { kind: kinds },
    owners: ["manager"],
    help: "Keys ready and waiting in the work queue of a resource kind, those in back-off not counted.",
    movesWhen: "read from the queue at every collection, so it is never stale",
  },
  virtrigaud_vm_operations_total: {
    type: "counter",
    labels: { operation: vmOperations, provider_type: providerTypes, provider, outcome: outcomes },
    owners: ["manager"],
    help: "Attempts of VM operations that reached their result, asynchronous ones when their task ended.",
    movesWhen: "an attempt ended; an asynchronous one when its task ended, not when the provider accepted it",
  },
  virtrigaud_vm_operations_duration_seconds: {
    type: "histogram",
    labels: { operation: vmOperations, provider_type: providerTypes, provider, outcome: outcomes },
    buckets: vmOperationBucketsSeconds,
    unit: "seconds",
    owners: ["manager"],
    help: "Time of an attempt of a VM operation from its request to its final result, in seconds.",
    movesWhen: "an attempt ended, together with virtrigaud_vm_operations_total",
  },
  virtrigaud_vm_reconfigure_total: {
    type: "counter",
    labels: { provider_type: providerTypes, outcome: outcomes },
    owners: ["manager"],
    help: "VM reconfigurations that reached their final result.",
    movesWhen: "a reconfiguration reached its final result",
  },
  virtrigaud_vm_snapshot_total: {
    type: "counter",
    labels: { action: snapshotActions, provider_type: providerTypes, outcome: outcomes },
    owners: ["manager"],
    help: "Snapshot actions that reached their final result.",
    movesWhen: "creating, deleting or reverting to a snapshot reached its final result",
  },
  virtrigaud_vm_clone_total: {
    type: "counter",
    labels: { linked: oneOf("true", "false"), provider_type: providerTypes, outcome: outcomes },
    owners: ["manager"],
    help: "VM clones that reached their final result; linked says what was made, not what was asked for.",
    movesWhen: "a clone reached its final result",
  },
  virtrigaud_vm_image_prepare_total: {
    type: "counter",
    labels: { provider_type: providerTypes, outcome: outcomes },
    owners: ["manager"],
    help: "Image preparations that reached their final result.",
    movesWhen: "the preparation of an image reached its final result",
  },
  virtrigaud_circuit_breaker_state: {
    type: "gauge",
    observed: true,
    labels: { provider_type: providerTypes, provider },
    owners: ["manager"],
    help: "Circuit breaker of a provider, 0 closed, 1 half-open, 2 open; of providers that share a name the worst.",
    movesWhen: "the breaker changes its state; read at every collection",
  },
  virtrigaud_circuit_breaker_failures_total: {
    type: "counter",
    labels: { provider_type: providerTypes, provider },
    owners: ["manager"],
    help: "Failures a circuit breaker counted, its own rejections not included.",
    movesWhen: "a call failed in a way that speaks against the provider, or a validation answered that it is not well",
  },
  virtrigaud_ip_discovery_duration_seconds: {
    type: "histogram",
    labels: { provider_type: providerTypes },
    buckets: durationBucketsSeconds,
    unit: "seconds",
    owners: ["manager"],
    help: "Time from a power-on to the first IP address seen after it, in seconds.",
    movesWhen: "the first IP address after a power-on was seen; once per power-on",
  },
  virtrigaud_build_info: {
    type: "gauge",
    labels: {
      version: anyValue("version of the component", "0.1.0"),
      git_sha: anyValue("commit it was built from", "0b60d8a"),
      go_version: anyValue("runtime and its version; the key is kept for existing queries", "node26.10.0"),
      component,
    },
    owners: ["manager", "provider"],
    help: "Always 1, with the build of the component in its labels.",
    movesWhen: "set once at start-up",
  },
  virtrigaud_errors_total: {
    type: "counter",
    labels: { reason: errorReasons, component },
    owners: ["manager", "provider"],
    help: "Errors by reason, each counted once, by the component that classified it first.",
    movesWhen: "an error was classified that no other component has counted before",
  },
  virtrigaud_provider_rpc_requests_total: {
    type: "counter",
    labels: { provider_type: providerTypes, method: providerMethods, code: grpcCodes },
    owners: ["provider"],
    help: "gRPC calls the provider ended, health and reflection not included.",
    movesWhen:
      "one call ended on the server side, whatever ended it: its result, a cancellation, its deadline, a crash of the handler",
  },
  virtrigaud_provider_rpc_latency_seconds: {
    type: "histogram",
    labels: { provider_type: providerTypes, method: providerMethods },
    buckets: durationBucketsSeconds,
    unit: "seconds",
    owners: ["provider"],
    help: "Time a gRPC call took on the provider's side, in seconds.",
    movesWhen: "one call ended, together with virtrigaud_provider_rpc_requests_total",
  },
  virtrigaud_provider_tasks_inflight: {
    type: "gauge",
    instrument: "upDownCounter",
    labels: { provider_type: providerTypes, provider },
    owners: ["provider"],
    help: "Tasks the provider is running now, whether or not anybody asks for them.",
    movesWhen: "a task started or ended",
  },
  virtrigaud_vsphere_sessions_total: {
    type: "counter",
    labels: { datacenter },
    owners: ["provider"],
    onlyIf: "the provider drives vSphere",
    help: "vSphere sessions created, log-ins after an expired session included.",
    movesWhen: "a log-in created a session",
  },
  virtrigaud_vsphere_api_calls_total: {
    type: "counter",
    labels: { method: anyValue("method of the vSphere API", "CloneVM_Task", "RetrievePropertiesEx"), datacenter },
    owners: ["provider"],
    onlyIf: "the provider drives vSphere",
    help: "Calls of the vSphere API that ended.",
    movesWhen: "one call of the vSphere API ended",
  },
  virtrigaud_libvirt_connections_total: {
    type: "counter",
    labels: { host },
    owners: ["provider"],
    onlyIf: "the provider drives libvirt",
    help: "Connections to libvirt that were opened.",
    movesWhen: "a connection to libvirt was opened",
  },
  virtrigaud_libvirt_domains_total: {
    type: "gauge",
    observed: true,
    labels: { host, state: domainStates },
    owners: ["provider"],
    onlyIf: "the provider drives libvirt",
    help: "Libvirt domains by their present state.",
    movesWhen: "the hypervisor reports another number of domains in that state; read at every collection",
    accepts: { "total-suffix": "VirtRigaud publishes this gauge under a counter's name, and queries depend on it." },
  },
});
