import { describe, expect, it } from "vitest";
import type { Catalog } from "./catalog.ts";
import { liqo } from "./liqo.ts";
import { stack } from "./stack.ts";
import { virtrigaud } from "./virtrigaud.ts";

/** name, type, label keys in order, instrument where it is not the type, `~` in front when read at collection time. */
type Row = readonly [name: string, type: string, labels: string];

function rowsOf(catalog: Catalog): Row[] {
  return Object.values(catalog.families).map((family) => [
    family.name,
    `${family.observed ? "~" : ""}${family.instrument === "upDownCounter" ? "gauge+-" : family.type}`,
    family.labelKeys.join(" "),
  ]);
}

const peer = "driver cluster_id";
const reflection = "namespace reflector_resource cluster_id node_name";
const call = "rpc_method rpc_system_name error_type rpc_status_code";

describe("virtrigaud", () => {
  it("has exactly the published families", () => {
    expect(rowsOf(virtrigaud)).toEqual([
      ["virtrigaud_manager_reconcile_total", "counter", "kind outcome"],
      ["virtrigaud_manager_reconcile_duration_seconds", "histogram", "kind"],
      ["virtrigaud_queue_depth", "~gauge", "kind"],
      ["virtrigaud_vm_operations_total", "counter", "operation provider_type provider outcome"],
      ["virtrigaud_vm_operations_duration_seconds", "histogram", "operation provider_type provider outcome"],
      ["virtrigaud_vm_reconfigure_total", "counter", "provider_type outcome"],
      ["virtrigaud_vm_snapshot_total", "counter", "action provider_type outcome"],
      ["virtrigaud_vm_clone_total", "counter", "linked provider_type outcome"],
      ["virtrigaud_vm_image_prepare_total", "counter", "provider_type outcome"],
      ["virtrigaud_circuit_breaker_state", "~gauge", "provider_type provider"],
      ["virtrigaud_circuit_breaker_failures_total", "counter", "provider_type provider"],
      ["virtrigaud_ip_discovery_duration_seconds", "histogram", "provider_type"],
      ["virtrigaud_build_info", "gauge", "version git_sha go_version component"],
      ["virtrigaud_errors_total", "counter", "reason component"],
      ["virtrigaud_provider_rpc_requests_total", "counter", "provider_type method code"],
      ["virtrigaud_provider_rpc_latency_seconds", "histogram", "provider_type method"],
      ["virtrigaud_provider_tasks_inflight", "gauge+-", "provider_type provider"],
      ["virtrigaud_vsphere_sessions_total", "counter", "datacenter"],
      ["virtrigaud_vsphere_api_calls_total", "counter", "method datacenter"],
      ["virtrigaud_libvirt_connections_total", "counter", "host"],
      ["virtrigaud_libvirt_domains_total", "~gauge", "host state"],
    ]);
  });

  it("can show whether VM operations exceed 600 seconds", () => {
    expect(virtrigaud.families.virtrigaud_vm_operations_duration_seconds.buckets).toEqual([
      0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800,
    ]);
    expect(virtrigaud.families.virtrigaud_ip_discovery_duration_seconds.buckets).toEqual([
      0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
    ]);
  });

  it("knows all 17 gRPC status codes and all 18 provider methods", () => {
    const { method, code } = virtrigaud.families.virtrigaud_provider_rpc_requests_total.labels;
    expect(new Set(code.values).size).toBe(17);
    expect(new Set(method.values).size).toBe(18);
  });
});

describe("liqo", () => {
  it("has exactly the published families", () => {
    expect(rowsOf(liqo)).toEqual([
      ["liqo_peer_receive_bytes_total", "~counter", peer],
      ["liqo_peer_transmit_bytes_total", "~counter", peer],
      ["liqo_peer_latency_us", "~gauge", peer],
      ["liqo_peer_latency_histogram_us", "histogram", peer],
      ["liqo_peer_is_connected", "~gauge", peer],
      ["liqo_wireguard_implementation", "~gauge", "driver implementation"],
      ["liqo_virtual_kubelet_reflection_item_counter", "gauge+-", reflection],
      ["liqo_virtual_kubelet_reflection_error_counter", "counter", reflection],
    ]);
  });

  it("has buckets for round trips from 50 microseconds to 0.3 seconds", () => {
    const { buckets } = liqo.families.liqo_peer_latency_histogram_us;
    expect([buckets?.length, buckets?.[0], buckets?.at(-1)]).toEqual([22, 50, 299992]);
  });
});

describe("stack", () => {
  it("has exactly the families of every process", () => {
    expect(rowsOf(stack).filter(([name]) => !/^(process|nodejs)_/.test(name))).toEqual([
      ["almanac_catalog_violations_total", "counter", "family reason"],
      ["almanac_series", "~gauge", "family"],
      ["almanac_scrape_duration_seconds", "histogram", "format"],
      ["almanac_scrape_size_bytes", "gauge", "format"],
      ["almanac_collection_errors_total", "counter", "source"],
      ["almanac_otlp_exports_total", "counter", "signal outcome"],
      ["almanac_spans_dropped_total", "counter", "cause"],
      ["rpc_client_call_duration_seconds", "histogram", call],
      ["rpc_server_call_duration_seconds", "histogram", call],
      ["workqueue_depth", "~gauge", "name"],
      ["workqueue_adds_total", "counter", "name"],
      ["workqueue_retries_total", "counter", "name"],
      ["workqueue_queue_duration_seconds", "histogram", "name"],
      ["workqueue_work_duration_seconds", "histogram", "name"],
      ["workqueue_unfinished_work_seconds", "~gauge", "name"],
      ["workqueue_longest_running_processor_seconds", "~gauge", "name"],
      ["leader_election_master_status", "gauge", "name"],
    ]);
    expect(rowsOf(stack)).toHaveLength(17 + 9 + 18);
  });

  it("has client-go's work queue buckets, ten powers of ten", () => {
    expect(stack.families.workqueue_queue_duration_seconds.buckets).toEqual(
      Array.from({ length: 10 }, (_, power) => Number(`1e${power - 8}`)),
    );
  });
});
