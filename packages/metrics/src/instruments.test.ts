// Over 500 lines, because all cases share one set-up of the official SDK and shipped sources may not hold test helpers.
import { anyValue, catalogViews, defineCatalog, kinds, liqo, oneOf, stack, virtrigaud } from "@almanac/catalog";
import type { Catalog } from "@almanac/catalog";
import { silentLogger } from "@almanac/core";
import type { Logger, LogFields } from "@almanac/core";
import { createVirtualClock } from "@almanac/testkit";
import { createNoopMeter, metrics } from "@opentelemetry/api";
import type { MeterProvider as ApiMeterProvider } from "@opentelemetry/api";
import { DataPointType, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import type { Histogram, MeterProviderOptions, MetricData } from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { createMeterProvider } from "./engine/provider.ts";
import { createInstruments } from "./instruments.ts";
import type { InstrumentsOptions } from "./instruments.ts";

class CollectingReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

const providers = {
  "the official": (options: MeterProviderOptions) => new MeterProvider(options),
  "this package's": (options: MeterProviderOptions) => createMeterProvider(options),
};
let openProvider: (options: MeterProviderOptions) => ApiMeterProvider = providers["the official"];

/** An SDK with the views of the catalogs, and what it would export. */
function openSdk(catalogs: readonly Catalog[] = [virtrigaud, liqo, stack]) {
  const reader = new CollectingReader();
  const provider = openProvider({ readers: [reader], views: catalogViews(...catalogs) });
  const warnings: LogFields[] = [];
  const logger: Logger = { ...silentLogger, warn: (message, fields) => void warnings.push({ message, ...fields }) };
  const collect = async (): Promise<ReadonlyMap<string, MetricData>> => {
    const { resourceMetrics, errors } = await reader.collect();
    expect(errors).toEqual([]);
    const all = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    expect(new Set(all.map((metric) => metric.descriptor.name)).size).toBe(all.length);
    return new Map(all.map((metric) => [metric.descriptor.name, metric]));
  };
  /** Series of one family as `a=1 b=2: value`. */
  const series = async (name: string): Promise<string[]> => pointsOf((await collect()).get(name));
  return { provider, logger, warnings, collect, series };
}

function pointsOf(metric: MetricData | undefined): string[] {
  return (metric?.dataPoints ?? []).map(({ attributes, value }) => {
    const labels = Object.entries(attributes).map(([key, label]) => `${key}=${String(label)}`);
    return `${labels.join(" ")}: ${typeof value === "number" ? value : `${value.count ?? 0} in ${String(value.sum)}`}`;
  });
}

const operation = { operation: "Create", provider_type: "libvirt", provider: "lab", outcome: "success" } as const;
const violations = "almanac_catalog_violations_total";

describe.each(Object.entries(providers))("on %s meter provider", (_name, open) => {
  beforeAll(() => {
    openProvider = open;
  });

  describe("createInstruments", () => {
    it("records under the family's name and description, without a unit", async () => {
      const sdk = openSdk();
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
      const sdk = openSdk();
      createInstruments(virtrigaud, sdk.provider);
      expect((await sdk.collect()).size).toBe(0);
    });

    it("adds up counters, up-down counters and gauges by label values", async () => {
      const sdk = openSdk();
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
      const sdk = openSdk(catalogs);
      const instruments = createInstruments(virtrigaud, sdk.provider);
      instruments.virtrigaud_vm_operations_duration_seconds.record(900, operation);
      const point = (await sdk.collect()).get("virtrigaud_vm_operations_duration_seconds")?.dataPoints[0]
        ?.value as Histogram;
      expect(point.buckets.boundaries).toEqual(virtrigaud.families.virtrigaud_vm_operations_duration_seconds.buckets);
      expect(point.buckets.counts.indexOf(1)).toBe(point.buckets.boundaries.indexOf(1200));
    });

    it("lets two sets of instruments on one provider share their series", async () => {
      const sdk = openSdk();
      createInstruments(virtrigaud, sdk.provider).virtrigaud_vm_operations_total.add(1, operation);
      const extended = defineCatalog("mine", {}, { extends: [virtrigaud] });
      createInstruments(extended, sdk.provider).virtrigaud_vm_operations_total.add(1, operation);
      expect(await sdk.series("virtrigaud_vm_operations_total")).toEqual([
        "operation=Create provider_type=libvirt provider=lab outcome=success: 2",
      ]);
    });

    it("neither changes nor keeps the caller's labels", async () => {
      const sdk = openSdk();
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
      const sdk = openSdk([catalog]);
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

  describe("violations", () => {
    /** What an untyped caller may pass. */
    const untyped = (labels: unknown) => labels as typeof operation;

    it.each<[what: string, labels: unknown, reason: string, recorded: string[]]>([
      [
        "a value outside its closed set becomes other",
        { ...operation, operation: "Explode" },
        "value",
        ["operation=other provider_type=libvirt provider=lab outcome=success: 1"],
      ],
      [
        "a number in an open label is spelled out",
        { ...operation, provider: 7 },
        "value",
        ["operation=Create provider_type=libvirt provider=7 outcome=success: 1"],
      ],
      [
        "an object in an open label becomes other",
        { ...operation, provider: {} },
        "value",
        ["operation=Create provider_type=libvirt provider=other outcome=success: 1"],
      ],
      [
        "an object that cannot be printed becomes other",
        { ...operation, provider: Object.create(null) as unknown },
        "value",
        ["operation=Create provider_type=libvirt provider=other outcome=success: 1"],
      ],
      [
        "a symbol in a closed label becomes other",
        { ...operation, outcome: Symbol("success") },
        "value",
        ["operation=Create provider_type=libvirt provider=lab outcome=other: 1"],
      ],
      ["an unknown key drops the measurement", { ...operation, vm: "web" }, "unknown_key", []],
      ["a missing key drops the measurement", { ...operation, provider: undefined }, "missing_key", []],
      [
        "a misspelt key drops the measurement",
        { ...operation, provider: undefined, provder: "lab" },
        "unknown_key",
        [],
      ],
      ["null drops the measurement", null, "missing_key", []],
      ["no labels drop the measurement", undefined, "missing_key", []],
      ["inherited labels drop the measurement", Object.create(operation), "missing_key", []],
    ])("%s", async (_what, labels, reason, recorded) => {
      const sdk = openSdk();
      const { virtrigaud_vm_operations_total: counter } = createInstruments(virtrigaud, sdk.provider, sdk);
      counter.add(1, untyped(labels));
      const all = await sdk.collect();
      expect(pointsOf(all.get("virtrigaud_vm_operations_total"))).toEqual(recorded);
      expect(pointsOf(all.get(violations))).toEqual([`family=virtrigaud_vm_operations_total reason=${reason}: 1`]);
      expect(sdk.warnings).toMatchObject([{ family: "virtrigaud_vm_operations_total", reason }]);
    });

    it("does not take the member other itself for a violation", async () => {
      const sdk = openSdk();
      createInstruments(virtrigaud, sdk.provider).virtrigaud_vm_operations_total.add(1, {
        ...operation,
        operation: "other",
      });
      expect((await sdk.collect()).has(violations)).toBe(false);
    });

    it("counts every time and warns once per family and reason", async () => {
      const sdk = openSdk();
      const instruments = createInstruments(virtrigaud, sdk.provider, sdk);
      for (let i = 0; i < 5; i++) {
        instruments.virtrigaud_vm_operations_total.add(1, untyped({ ...operation, operation: `op${i}` }));
        instruments.virtrigaud_vm_operations_total.add(1, untyped({ ...operation, more: "a" }));
        instruments.virtrigaud_vm_operations_duration_seconds.record(1, untyped({ ...operation, more: "a" }));
      }
      expect(await sdk.series(violations)).toEqual([
        "family=virtrigaud_vm_operations_total reason=value: 5",
        "family=virtrigaud_vm_operations_total reason=unknown_key: 5",
        "family=virtrigaud_vm_operations_duration_seconds reason=unknown_key: 5",
      ]);
      expect(sdk.warnings).toHaveLength(3);
    });

    it("counts through a bound handle too, at every measurement", async () => {
      const sdk = openSdk();
      const instruments = createInstruments(virtrigaud, sdk.provider, sdk);
      const repaired = instruments.virtrigaud_vm_operations_total.bind(untyped({ ...operation, outcome: "meh" }));
      const dropped = instruments.virtrigaud_vm_operations_duration_seconds.bind(untyped({}));
      for (let i = 0; i < 3; i++) {
        repaired.add(1);
        dropped.record(1);
      }
      const all = await sdk.collect();
      expect(pointsOf(all.get("virtrigaud_vm_operations_total"))).toEqual([
        "operation=Create provider_type=libvirt provider=lab outcome=other: 3",
      ]);
      expect(all.has("virtrigaud_vm_operations_duration_seconds")).toBe(false);
      expect(pointsOf(all.get(violations))).toEqual([
        "family=virtrigaud_vm_operations_total reason=value: 3",
        "family=virtrigaud_vm_operations_duration_seconds reason=missing_key: 3",
      ]);
    });

    it("drops values that cannot be recorded, whatever the instrument", async () => {
      const sdk = openSdk();
      const instruments = createInstruments(virtrigaud, sdk.provider, sdk);
      for (const value of [NaN, Infinity, -Infinity, -1, "1" as unknown as number]) {
        instruments.virtrigaud_vm_operations_total.add(value, operation);
        instruments.virtrigaud_vm_operations_total.bind(operation).add(value);
        instruments.virtrigaud_vm_operations_duration_seconds.record(value, operation);
      }
      for (const value of [NaN, Infinity, -Infinity]) {
        instruments.virtrigaud_provider_tasks_inflight.add(value, { provider_type: "mock", provider: "lab" });
      }
      expect([...(await sdk.collect()).keys()]).toEqual([violations]);
      expect(await sdk.series(violations)).toEqual([
        "family=virtrigaud_vm_operations_total reason=value: 10",
        "family=virtrigaud_vm_operations_duration_seconds reason=value: 5",
        "family=virtrigaud_provider_tasks_inflight reason=value: 3",
      ]);
      expect(sdk.warnings).toHaveLength(3);
    });

    it("lets optional labels be absent or undefined, and counts nothing for it", async () => {
      const sdk = openSdk();
      const { rpc_client_call_duration_seconds: calls } = createInstruments(stack, sdk.provider);
      const call = { rpc_method: "S/M", rpc_system_name: "grpc", rpc_status_code: "OK" } as const;
      calls.record(1, call);
      calls.record(1, { ...call, error_type: undefined } as unknown as typeof call);
      calls.record(1, { ...call, error_type: "cancelled" });
      const all = await sdk.collect();
      expect(pointsOf(all.get("rpc_client_call_duration_seconds"))).toEqual([
        "rpc_method=S/M rpc_system_name=grpc rpc_status_code=OK: 2 in 2",
        "rpc_method=S/M rpc_system_name=grpc rpc_status_code=OK error_type=cancelled: 1 in 1",
      ]);
      expect(all.has(violations)).toBe(false);
    });

    it("never throws and accounts for every measurement, whatever the labels", async () => {
      const sdk = openSdk();
      const { virtrigaud_vm_operations_total: counter } = createInstruments(virtrigaud, sdk.provider, sdk);
      const value = fc.oneof(fc.constantFrom("Create", "libvirt", "success", "other"), fc.string(), fc.anything());
      const key = fc.oneof(fc.constantFrom("operation", "provider_type", "provider", "outcome"), fc.string());
      const recorded = async (name: string): Promise<number> =>
        ((await sdk.collect()).get(name)?.dataPoints ?? []).reduce((sum, point) => sum + Number(point.value), 0);

      let measurements = 0;
      let valid = 0;
      await fc.assert(
        fc.asyncProperty(fc.dictionary(key, value, { maxKeys: 5 }), fc.boolean(), async (given, whole) => {
          const labels = untyped(whole ? { ...operation, ...given } : given);
          counter.add(1, labels);
          counter.bind(labels).add(1);
          measurements += 2;
          const family = virtrigaud.families.virtrigaud_vm_operations_total;
          const fits =
            Object.keys(labels).length === family.labelKeys.length &&
            Object.entries(family.labels).every(([name, domain]) => {
              const label: unknown = Object.hasOwn(labels, name)
                ? (labels as Readonly<Record<string, unknown>>)[name]
                : undefined;
              return (
                typeof label === "string" &&
                (domain.kind === "open" || new Set<string>(["other", ...domain.values]).has(label))
              );
            });
          if (fits) valid += 2;
          // Valid ones are recorded and not counted as violations; of the others each is counted, and recorded if it was repaired.
          expect(await recorded(violations)).toBe(measurements - valid);
          expect(await recorded("virtrigaud_vm_operations_total")).toBeGreaterThanOrEqual(valid);
        }),
        { numRuns: 200, seed: 20260101 },
      );
      for (const metric of (await sdk.collect()).get("virtrigaud_vm_operations_total")?.dataPoints ?? []) {
        expect(Object.values(metric.attributes).every((label) => typeof label === "string")).toBe(true);
      }
    });
  });

  describe("zero start", () => {
    const startWith = async (options: InstrumentsOptions, catalog: Catalog = virtrigaud) => {
      const sdk = openSdk([catalog, stack]);
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
      const canStart = openProvider === providers["this package's"];
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
      const sdk = openSdk();
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

  describe("observe", () => {
    const failures = "almanac_collection_errors_total";

    it("reads at every collection until disposed, several callbacks per family", async () => {
      const sdk = openSdk();
      const { virtrigaud_queue_depth: depth } = createInstruments(virtrigaud, sdk.provider);
      let waiting = 3;
      using _first = depth.observe((observe) => observe(waiting, { kind: "VirtualMachine" }));
      const second = depth.observe(async (observe) => {
        await Promise.resolve();
        observe(waiting * 10, { kind: "Provider" });
      });
      expect(await sdk.series("virtrigaud_queue_depth")).toEqual(["kind=VirtualMachine: 3", "kind=Provider: 30"]);
      waiting = 4;
      expect(await sdk.series("virtrigaud_queue_depth")).toEqual(["kind=VirtualMachine: 4", "kind=Provider: 40"]);
      second[Symbol.dispose]();
      waiting = 5;
      expect(await sdk.series("virtrigaud_queue_depth")).toContain("kind=VirtualMachine: 5");
      expect(await sdk.series("virtrigaud_queue_depth")).not.toContain("kind=Provider: 50");
    });

    it("serves observed counters as sums", async () => {
      const sdk = openSdk();
      const { liqo_peer_receive_bytes_total: received } = createInstruments(liqo, sdk.provider);
      let bytes = 100;
      using _ = received.observe((observe) => observe(bytes, { driver: "udp", cluster_id: "milan" }));
      expect(await sdk.series("liqo_peer_receive_bytes_total")).toEqual(["driver=udp cluster_id=milan: 100"]);
      bytes = 250;
      const metric = (await sdk.collect()).get("liqo_peer_receive_bytes_total");
      expect(pointsOf(metric)).toEqual(["driver=udp cluster_id=milan: 250"]);
      expect(metric).toMatchObject({ isMonotonic: true });
    });

    it("checks labels and values like a recording", async () => {
      const sdk = openSdk();
      const { virtrigaud_queue_depth: depth } = createInstruments(virtrigaud, sdk.provider, sdk);
      using _ = depth.observe((observe) => {
        observe(1, { kind: "Pod" as never });
        observe(2, {} as never);
        observe(NaN, { kind: "Provider" });
      });
      const all = await sdk.collect();
      expect(pointsOf(all.get("virtrigaud_queue_depth"))).toEqual(["kind=other: 1"]);
      expect(pointsOf(all.get(violations))).toEqual([
        "family=virtrigaud_queue_depth reason=value: 2",
        "family=virtrigaud_queue_depth reason=missing_key: 1",
      ]);
    });

    it.each([
      [
        "throws",
        () => {
          throw new Error("no device");
        },
      ],
      ["rejects", () => Promise.reject(new Error("no device"))],
    ])(
      "counts a callback that %s, keeps what it reported and serves the rest",
      async (_how, fail: () => void | Promise<void>) => {
        const sdk = openSdk();
        const { virtrigaud_queue_depth: depth } = createInstruments(virtrigaud, sdk.provider, sdk);
        using _failing = depth.observe(
          (observe) => {
            observe(1, { kind: "VMClone" });
            return fail();
          },
          { source: "workqueue" },
        );
        using _healthy = depth.observe((observe) => observe(2, { kind: "Provider" }));
        await sdk.collect();
        const all = await sdk.collect();
        expect(pointsOf(all.get("virtrigaud_queue_depth")).sort()).toEqual(["kind=Provider: 2", "kind=VMClone: 1"]);
        // A source that never failed is there too, at 0, so that an alert on its first failure works.
        expect(pointsOf(all.get(failures)).sort()).toEqual(["source=virtrigaud_queue_depth: 0", "source=workqueue: 2"]);
        expect(sdk.warnings).toMatchObject([{ source: "workqueue", error: "no device" }]);
      },
    );

    it("goes on without a callback that does not answer in time, and starts no second one beside it", async () => {
      const sdk = openSdk();
      const clock = createVirtualClock();
      const { virtrigaud_queue_depth: depth } = createInstruments(virtrigaud, sdk.provider, {
        logger: sdk.logger,
        clock,
      });
      const signals: AbortSignal[] = [];
      let answer: (() => void) | undefined;
      using _ = depth.observe(
        async (observe, signal) => {
          signals.push(signal);
          observe(1, { kind: "VMClone" });
          await new Promise<void>((resolve) => (answer = resolve));
          observe(2, { kind: "Provider" });
        },
        { timeoutMs: 100 },
      );
      const first = sdk.series("virtrigaud_queue_depth");
      await clock.advance(100);
      expect(await first).toEqual(["kind=VMClone: 1"]);
      expect(signals.map((signal) => signal.aborted)).toEqual([true]);

      expect(await sdk.series(failures)).toEqual(["source=virtrigaud_queue_depth: 2"]);
      expect(signals).toHaveLength(1);

      answer?.();
      await clock.advance(0);
      const third = sdk.collect();
      await clock.advance(0);
      answer?.();
      expect(pointsOf((await third).get("virtrigaud_queue_depth"))).toEqual(["kind=VMClone: 1", "kind=Provider: 2"]);
      expect(signals).toHaveLength(2);
      expect(clock.pending).toBe(0);
    });

    it("aborts what is running when disposed", async () => {
      const sdk = openSdk();
      const { virtrigaud_queue_depth: depth } = createInstruments(virtrigaud, sdk.provider);
      let aborted = false;
      const observation = depth.observe(
        (_observe, signal) =>
          new Promise((resolve) => {
            signal.addEventListener("abort", () => {
              aborted = true;
              resolve();
            });
          }),
      );
      const collecting = sdk.collect();
      observation[Symbol.dispose]();
      await collecting;
      expect(aborted).toBe(true);
    });
  });
});

describe("on this package's meter provider alone", () => {
  beforeAll(() => {
    openProvider = providers["this package's"];
  });

  it("counts what goes into the overflow series as a violation", async () => {
    const family = {
      type: "counter",
      labels: { a: anyValue("any") },
      owners: ["me"],
      help: "Small.",
      movesWhen: "never",
    } as const;
    const catalog = defineCatalog("small", { small_total: { ...family, cardinalityLimit: 3 } });
    const sdk = openSdk([catalog, stack]);
    const { small_total } = createInstruments(catalog, sdk.provider, { logger: sdk.logger });
    for (const a of ["1", "2", "3", "4", "1"]) small_total.add(1, { a });
    expect(await sdk.series("small_total")).toEqual(["a=1: 2", "a=2: 1", "otel.metric.overflow=true: 2"]);
    expect(await sdk.series(violations)).toEqual(["family=small_total reason=cardinality: 2"]);
    expect(sdk.warnings).toHaveLength(1);
  });

  it("finds series by their declared keys as it finds them by any, checks included", async () => {
    const sdk = openSdk();
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
    const sdk = openSdk();
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
