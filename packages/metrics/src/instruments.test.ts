import { anyValue, defineCatalog, kinds, oneOf, stack, virtrigaud } from "@almanac/catalog";
import type { Catalog } from "@almanac/catalog";
import { silentLogger } from "@almanac/core";
import type { Logger } from "@almanac/core";
import { createNoopMeter, metrics } from "@opentelemetry/api";
import { DataPointType } from "@opentelemetry/sdk-metrics";
import type { Histogram } from "@opentelemetry/sdk-metrics";
import { describe, expect, it } from "vitest";
import { createMeterProvider } from "./engine/provider.ts";
import { createInstruments } from "./instruments.ts";
import type { InstrumentsOptions } from "./instruments.ts";
import {
  CollectingReader,
  openOurs,
  openSdk,
  operation,
  pointsOf,
  providers,
  violations,
} from "./open-sdk.test.helper.ts";

describe.each(providers)("on %s meter provider", (_name, openWith) => {
  const openHere = (catalogs?: readonly Catalog[]) => openSdk(openWith, catalogs);

  describe("createInstruments", () => {
    it("records under the family's name and description, without a unit", async () => {
      const sdk = openHere();
      const instruments = createInstruments(virtrigaud, sdk.provider);
      instruments.virtrigaud_manager_reconcile_duration_seconds.record(0.2, { kind: "VirtualMachine" });
      const metric = (await sdk.collect()).get("virtrigaud_manager_reconcile_duration_seconds");
      expect(metric?.descriptor).toMatchObject({
        name: "virtrigaud_manager_reconcile_duration_seconds",
        unit: "",
        description: virtrigaud.families.virtrigaud_manager_reconcile_duration_seconds.help,
      });
      expect(pointsOf(metric)).toEqual(["kind=VirtualMachine: 1 in 0.2"]);
    });

    it("creates nothing in the provider before something is recorded", async () => {
      const sdk = openHere();
      createInstruments(virtrigaud, sdk.provider);
      expect((await sdk.collect()).size).toBe(0);
    });

    it("adds up counters, up-down counters and gauges by label values", async () => {
      const sdk = openHere();
      const instruments = createInstruments(virtrigaud, sdk.provider);
      instruments.virtrigaud_vm_operations_total.add(2, operation);
      instruments.virtrigaud_vm_operations_total.add(0.5, { ...operation });
      instruments.virtrigaud_vm_operations_total.add(1, { ...operation, outcome: "error" });
      instruments.virtrigaud_provider_tasks_inflight.add(3, { provider_type: "mock", provider: "lab" });
      instruments.virtrigaud_provider_tasks_inflight.add(-2, { provider_type: "mock", provider: "lab" });
      const build = { version: "1", git_sha: "a", go_version: "node26", component: "manager" } as const;
      instruments.virtrigaud_build_info.record(5, build);
      instruments.virtrigaud_build_info.record(1, build);
      const all = await sdk.collect();
      expect(pointsOf(all.get("virtrigaud_vm_operations_total"))).toEqual([
        "operation=Create provider_type=libvirt provider=lab outcome=success: 2.5",
        "operation=Create provider_type=libvirt provider=lab outcome=error: 1",
      ]);
      expect(pointsOf(all.get("virtrigaud_provider_tasks_inflight"))).toEqual(["provider_type=mock provider=lab: 1"]);
      expect(pointsOf(all.get("virtrigaud_build_info"))).toEqual([
        "version=1 git_sha=a go_version=node26 component=manager: 1",
      ]);
      expect(all.has(violations)).toBe(false);
    });

    it.each([
      ["with the catalog's views", [virtrigaud, stack]],
      ["without views, by the advice of the instrument", [stack]],
    ])("gives histograms the buckets of the family %s", async (_name, catalogs) => {
      const sdk = openHere(catalogs);
      const instruments = createInstruments(virtrigaud, sdk.provider);
      instruments.virtrigaud_vm_operations_duration_seconds.record(900, operation);
      const point = (await sdk.collect()).get("virtrigaud_vm_operations_duration_seconds")?.dataPoints[0]
        ?.value as Histogram;
      expect(point.buckets.boundaries).toEqual(virtrigaud.families.virtrigaud_vm_operations_duration_seconds.buckets);
      expect(point.buckets.counts.indexOf(1)).toBe(point.buckets.boundaries.indexOf(1200));
    });

    it("lets two sets of instruments on one provider share their series", async () => {
      const sdk = openHere();
      createInstruments(virtrigaud, sdk.provider).virtrigaud_vm_operations_total.add(1, operation);
      const extended = defineCatalog("mine", {}, { extends: [virtrigaud] });
      createInstruments(extended, sdk.provider).virtrigaud_vm_operations_total.add(1, operation);
      expect(await sdk.series("virtrigaud_vm_operations_total")).toEqual([
        "operation=Create provider_type=libvirt provider=lab outcome=success: 2",
      ]);
    });

    it("neither changes nor keeps the caller's labels", async () => {
      const sdk = openHere();
      const labels: { kind: "Provider" | "VMClone"; outcome: "success" } = { kind: "Provider", outcome: "success" };
      const { virtrigaud_manager_reconcile_total: counter } = createInstruments(virtrigaud, sdk.provider);
      const bound = counter.bind(labels);
      counter.add(1, Object.freeze({ ...labels }));
      counter.add(1, labels);
      labels.kind = "VMClone";
      bound.add(1);
      expect(await sdk.series("virtrigaud_manager_reconcile_total")).toEqual(["kind=Provider outcome=success: 3"]);
    });

    it("ends in one overflow series at the family's cardinality limit", async () => {
      const catalog = defineCatalog("small", {
        small_total: {
          type: "counter",
          labels: { id: anyValue("anything") },
          owners: ["process"],
          help: "Anything.",
          movesWhen: "always",
          cardinalityLimit: 3,
        },
      });
      const sdk = openHere([catalog]);
      const instruments = createInstruments(catalog, sdk.provider);
      for (let id = 0; id < 10; id++) instruments.small_total.add(1, { id: String(id) });
      expect(await sdk.series("small_total")).toEqual(["id=0: 1", "id=1: 1", "otel.metric.overflow=true: 8"]);
    });

    it("does not compile for labels or calls that do not fit the family", () => {
      const instruments = createInstruments(virtrigaud, { getMeter: () => createNoopMeter() });
      // @ts-expect-error a misspelt operation
      instruments.virtrigaud_vm_operations_total.add(1, { ...operation, operation: "Craete" });
      // @ts-expect-error no labels
      instruments.virtrigaud_vm_operations_total.add(1);
      // @ts-expect-error a counter is not recorded
      expect(instruments.virtrigaud_vm_operations_total.record).toBeUndefined();
      // @ts-expect-error an observed gauge is not recorded
      expect(instruments.virtrigaud_queue_depth.record).toBeUndefined();
      // @ts-expect-error a synchronous counter is not observed
      expect(instruments.virtrigaud_vm_operations_total.observe).toBeUndefined();
      // @ts-expect-error no such family
      expect(instruments.virtrigaud_vm_operation_total).toBeUndefined();
    });
  });

  describe("zero start", () => {
    const startWith = async (options: InstrumentsOptions, catalog: Catalog = virtrigaud) => {
      const sdk = openHere([catalog, stack]);
      createInstruments(catalog, sdk.provider, options);
      const all = [...(await sdk.collect())];
      const histograms = all.filter(([, { dataPointType }]) => dataPointType === DataPointType.HISTOGRAM);
      return { all: new Map(all.filter((entry) => !histograms.includes(entry))), histograms: new Map(histograms) };
    };

    it("starts the counters of the owner whose labels are closed, one series per combination, other left out", async () => {
      const { all } = await startWith({ owner: "manager" });
      expect([...all.keys()].sort()).toEqual([
        "virtrigaud_errors_total",
        "virtrigaud_manager_reconcile_total",
        "virtrigaud_vm_clone_total",
        "virtrigaud_vm_image_prepare_total",
        "virtrigaud_vm_reconfigure_total",
        "virtrigaud_vm_snapshot_total",
      ]);
      expect(all.get("virtrigaud_manager_reconcile_total")?.dataPoints).toHaveLength(7 * 3);
      for (const metric of all.values()) {
        for (const point of metric.dataPoints) {
          expect(point.value).toBe(0);
          expect(Object.values(point.attributes)).not.toContain("other");
        }
      }
    });

    it("starts histograms empty where the provider can", async () => {
      const { histograms } = await startWith({ owner: "manager" });
      const empty = pointsOf(histograms.get("virtrigaud_manager_reconcile_duration_seconds"));
      const canStart = openWith === openOurs;
      expect(empty).toEqual(canStart ? kinds.values.map((kind) => `kind=${kind}: 0 in 0`) : []);
    });

    it("uses what is known of open labels, and narrows closed ones by it", async () => {
      const { all } = await startWith({
        owner: "provider",
        known: { provider_type: ["libvirt"], provider: ["lab", "lab"] },
      });
      expect(pointsOf(all.get("virtrigaud_provider_tasks_inflight"))).toEqual([
        "provider_type=libvirt provider=lab: 0",
      ]);
      expect(all.get("virtrigaud_provider_rpc_requests_total")?.dataPoints).toHaveLength(1 * 18 * 17);
      expect(all.has("virtrigaud_vm_operations_total")).toBe(false);
    });

    it("starts only the process's own component", async () => {
      const { all } = await startWith({ owner: "provider" });
      const components = new Set(
        all.get("virtrigaud_errors_total")?.dataPoints.map((point) => point.attributes["component"]),
      );
      expect([...components]).toEqual(["provider"]);
    });

    it("starts nothing without an owner, and nothing of another one", async () => {
      expect((await startWith({})).all.size).toBe(0);
      expect((await startWith({ owner: "gateway" })).all.size).toBe(0);
    });

    it("starts what every process owns, whoever it is", async () => {
      const { all } = await startWith({ owner: "backup-operator" }, stack);
      expect([...all.keys()]).toEqual(["almanac_otlp_exports_total", "almanac_spans_dropped_total"]);
    });

    it("leaves a family alone that would not fit into its cardinality limit", async () => {
      const family = {
        type: "counter",
        labels: { a: oneOf("1", "2"), b: anyValue("anything") },
        owners: ["process"],
        help: "Anything.",
        movesWhen: "always",
        cardinalityLimit: 5,
      } as const;
      const catalog = defineCatalog("small", { small_total: family });
      const { all: fitting } = await startWith({ owner: "me", known: { b: ["1", "2"] } }, catalog);
      expect(fitting.get("small_total")?.dataPoints).toHaveLength(4);
      expect((await startWith({ owner: "me", known: { b: ["1", "2", "3"] } }, catalog)).all.size).toBe(0);
    });

    it("starts series that become known later, closed labels left out standing for all their values", async () => {
      const sdk = openHere();
      const { virtrigaud_vm_operations_total: counter } = createInstruments(virtrigaud, sdk.provider, sdk);
      counter.start({ provider_type: "libvirt", provider: "lab" });
      counter.add(1, operation);
      const points = await sdk.series("virtrigaud_vm_operations_total");
      expect(points).toHaveLength(5 * 3);
      expect(points.filter((point) => !point.endsWith(": 0"))).toEqual([
        "operation=Create provider_type=libvirt provider=lab outcome=success: 1",
      ]);
      counter.start({ provider_type: "libvirt" });
      counter.start({ provider_type: "hyperv" as never, provider: "lab" });
      counter.start({ vm: "web" } as never);
      const all = await sdk.collect();
      expect(all.get("virtrigaud_vm_operations_total")?.dataPoints).toHaveLength(5 * 3);
      expect(pointsOf(all.get(violations))).toEqual([
        "family=virtrigaud_vm_operations_total reason=value: 1",
        "family=virtrigaud_vm_operations_total reason=unknown_key: 1",
      ]);
    });
  });
});

describe("on this package's meter provider alone", () => {
  it("counts what goes into the overflow series as a violation", async () => {
    const family = {
      type: "counter",
      labels: { a: anyValue("any") },
      owners: ["me"],
      help: "Small.",
      movesWhen: "never",
    } as const;
    const catalog = defineCatalog("small", { small_total: { ...family, cardinalityLimit: 3 } });
    const sdk = openSdk(openOurs, [catalog, stack]);
    const { small_total } = createInstruments(catalog, sdk.provider, { logger: sdk.logger });
    for (const a of ["1", "2", "3", "4", "1"]) small_total.add(1, { a });
    expect(await sdk.series("small_total")).toEqual(["a=1: 2", "a=2: 1", "otel.metric.overflow=true: 2"]);
    expect(await sdk.series(violations)).toEqual(["family=small_total reason=cardinality: 2"]);
    expect(sdk.warnings).toHaveLength(1);
  });

  it("finds series by their declared keys as it finds them by any, checks included", async () => {
    const sdk = openSdk(openOurs);
    const { virtrigaud_vm_operations_total: counter } = createInstruments(virtrigaud, sdk.provider);
    const { operation: name, outcome, provider, provider_type } = operation;
    counter.add(1, operation);
    counter.add(1, { outcome, provider, provider_type, operation: name });
    counter.bind(operation).add(1);
    const tooMany = { ...operation, extra: "x" };
    counter.add(1, tooMany);
    counter.add(1, Object.create(operation) as typeof operation);
    for (const value of [-1, NaN, Infinity, "1"]) counter.add(value as number, operation);
    expect(await sdk.series("virtrigaud_vm_operations_total")).toEqual([
      "operation=Create provider_type=libvirt provider=lab outcome=success: 3",
    ]);
    const reasons = (await sdk.series(violations)).map((line) =>
      line.replace("family=virtrigaud_vm_operations_total ", ""),
    );
    expect(reasons.sort()).toEqual(["reason=missing_key: 1", "reason=unknown_key: 1", "reason=value: 4"]);
  });

  it("removes bound series, and those of something that is gone", async () => {
    const reader = new CollectingReader();
    const provider = createMeterProvider({ readers: [reader] });
    const instruments = createInstruments(virtrigaud, provider);
    const bound = instruments.virtrigaud_vm_operations_total.bind(operation);
    bound.add(1);
    instruments.virtrigaud_provider_tasks_inflight.add(2, { provider: "lab", provider_type: "libvirt" });
    bound.remove?.();
    bound.add(5);
    const values = async () => {
      const { resourceMetrics } = await reader.collect();
      const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
      return metrics.flatMap(({ dataPoints }) => dataPoints.map(({ value }) => value));
    };
    expect(await values()).toEqual([5, 2]);
    expect(provider.removeSeries({ provider: "lab" })).toBe(2);
    expect(await values()).toEqual([]);
  });
});

describe("on other providers", () => {
  it("records on the API's no-op provider without a complaint", () => {
    const warnings: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) };
    const instruments = createInstruments(virtrigaud, metrics.getMeterProvider(), { owner: "manager", logger });
    instruments.virtrigaud_vm_operations_total.add(1, operation);
    instruments.virtrigaud_vm_operations_duration_seconds.bind(operation).record(1);
    instruments.virtrigaud_build_info.record(1, { version: "1", git_sha: "a", go_version: "b", component: "manager" });
    instruments.virtrigaud_queue_depth.observe(() => {})[Symbol.dispose]();
    expect(warnings).toEqual([]);
  });

  it("survives a provider that throws, and says so once per family", () => {
    const sdk = openSdk(openOurs);
    const broken = {
      getMeter: () => {
        throw new Error("out of order");
      },
    };
    const instruments = createInstruments(virtrigaud, broken, { owner: "manager", logger: sdk.logger });
    instruments.virtrigaud_vm_operations_total.add(1, operation);
    instruments.virtrigaud_vm_operations_total.add(1, { ...operation, outcome: "meh" as never });
    instruments.virtrigaud_queue_depth.observe(() => {})[Symbol.dispose]();
    const families = sdk.warnings
      .filter((warning) => warning["error"] === "out of order")
      .map((warning) => warning["family"]);
    expect(new Set(families).size).toBe(families.length);
    expect(families).toContain("virtrigaud_vm_operations_total");
    expect(families).toContain("virtrigaud_queue_depth");
  });
});
