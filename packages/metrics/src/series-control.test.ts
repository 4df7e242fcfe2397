// How series of a catalog begin and end: on this package's own provider as asked, on the official one without harm.
import { anyValue, defineCatalog, oneOf, optionalValue, stack, virtrigaud } from "@almanac/catalog";
import { AggregationTemporality } from "@opentelemetry/sdk-metrics";
import { describe, expect, it } from "vitest";
import { createMeterProvider } from "./engine/provider.ts";
import { createInstruments } from "./instruments.ts";
import {
  CollectingReader,
  openOurs,
  openSdk,
  operation,
  pointsOf,
  providers,
  violations,
} from "./open-sdk.test.helper.ts";

const other = { ...operation, provider: "other" } as const;

describe.each(providers)("on %s meter provider", (_name, open) => {
  const ours = open === openOurs;

  it("removes what belonged to something that is gone, and counts what comes back from zero", async () => {
    const sdk = openSdk(open);
    const instruments = createInstruments(virtrigaud, sdk.provider, sdk);
    const { virtrigaud_vm_operations_total: counter, virtrigaud_vm_operations_duration_seconds: durations } =
      instruments;
    const bound = counter.bind(operation);
    bound.add(1);
    counter.add(2, { ...operation, outcome: "error" });
    counter.add(4, other);
    durations.record(8, operation);
    instruments.virtrigaud_provider_tasks_inflight.add(1, { provider_type: "libvirt", provider: "lab" });
    expect(counter.remove({ provider: "lab" })).toBe(ours ? 2 : 0);
    expect(durations.remove({ provider: "lab", provider_type: "libvirt" })).toBe(ours ? 1 : 0);
    expect(durations.remove({ provider: "never seen" })).toBe(0);
    bound.add(16);
    const all = await sdk.collect();
    const values = all.get("virtrigaud_vm_operations_total")?.dataPoints.map(({ value }) => value);
    expect(values?.sort()).toEqual(ours ? [16, 4] : [17, 2, 4]);
    expect(pointsOf(all.get("virtrigaud_vm_operations_duration_seconds"))).toHaveLength(ours ? 0 : 1);
    expect(pointsOf(all.get("virtrigaud_provider_tasks_inflight"))).toHaveLength(1);
    expect(all.has(violations)).toBe(false);
  });

  it("removes nothing for labels that are missing or cannot be read, and everything for none", async () => {
    const sdk = openSdk(open);
    const { virtrigaud_vm_operations_total: counter } = createInstruments(virtrigaud, sdk.provider, sdk);
    expect(counter.remove({})).toBe(0);
    counter.add(1, operation);
    counter.add(1, other);
    expect(counter.remove({ provider: undefined } as object)).toBe(0);
    expect(counter.remove(null as unknown as object)).toBe(0);
    expect(counter.remove({ provider: "lab", vm: "web" } as object)).toBe(0);
    const hostile = {
      get provider(): string {
        throw new Error("no");
      },
    };
    expect(counter.remove(hostile)).toBe(0);
    expect(counter.remove({})).toBe(ours ? 2 : 0);
  });

  it("starts histograms at run time where the provider can, one series per value of what is left out", async () => {
    const sdk = openSdk(open);
    const { virtrigaud_vm_operations_duration_seconds: durations } = createInstruments(virtrigaud, sdk.provider, sdk);
    durations.start({ provider_type: "libvirt", provider: "lab" });
    durations.start({ provider: "lab", vm: "web" } as object);
    const all = await sdk.collect();
    const points = pointsOf(all.get("virtrigaud_vm_operations_duration_seconds"));
    expect(points).toHaveLength(ours ? 5 * 3 : 0);
    expect(points.every((point) => point.endsWith(": 0 in 0"))).toBe(true);
    expect(pointsOf(all.get(violations))).toEqual([
      "family=virtrigaud_vm_operations_duration_seconds reason=unknown_key: 1",
    ]);
  });

  it("survives labels that throw when they are read, and counts them", async () => {
    const sdk = openSdk(open);
    const { virtrigaud_vm_operations_total: counter } = createInstruments(virtrigaud, sdk.provider, sdk);
    const hostile = {
      ...operation,
      get provider(): string {
        throw new Error("no");
      },
    };
    counter.add(1, operation);
    counter.add(1, hostile);
    counter.bind(hostile).add(1);
    counter.start(hostile);
    expect(await sdk.series("virtrigaud_vm_operations_total")).toHaveLength(1);
    expect(await sdk.series(violations)).toEqual(["family=virtrigaud_vm_operations_total reason=value: 3"]);
  });
});

describe("on this package's meter provider alone", () => {
  const described = { owners: ["me"], help: "Any.", movesWhen: "never" } as const;

  it("counts what is observed beyond the limit as a violation", async () => {
    const catalog = defineCatalog("small", {
      small: { ...described, type: "gauge", observed: true, labels: { a: anyValue("any") }, cardinalityLimit: 3 },
    });
    const sdk = openSdk(openOurs, [catalog, stack]);
    const { small } = createInstruments(catalog, sdk.provider, { logger: sdk.logger });
    using _ = small.observe((observe) => {
      for (const a of ["1", "2", "3", "4"]) observe(1, { a });
    });
    expect(await sdk.series("small")).toEqual(["a=1: 1", "a=2: 1", "otel.metric.overflow=true: 1"]);
    expect(await sdk.series(violations)).toContain("family=small reason=cardinality: 2");
    expect(sdk.warnings).toHaveLength(1);
  });

  it("finds series with and without an optional label, for cumulative and delta readers alike", async () => {
    const catalog = defineCatalog("small", {
      small_total: {
        ...described,
        type: "counter",
        labels: { a: oneOf("1", "2"), b: optionalValue("any"), c: anyValue("any") },
        cardinalityLimit: 4,
      },
    });
    const readers = [
      new CollectingReader(),
      new CollectingReader({ aggregationTemporalitySelector: () => AggregationTemporality.DELTA }),
    ];
    const { small_total } = createInstruments(catalog, createMeterProvider({ readers }));
    const add = (): void => {
      small_total.add(1, { a: "1", c: "x" });
      small_total.add(10, { a: "1", b: "y", c: "x" });
      small_total.add(100, { c: "x", a: "1" });
      small_total.add(1000, { b: undefined, a: "1", c: "x" } as { a: "1"; c: string });
    };
    const points = async () =>
      Promise.all(
        readers.map(async (reader) => {
          const { resourceMetrics } = await reader.collect();
          const [metric] = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics);
          return pointsOf(metric);
        }),
      );
    add();
    add();
    const twice = ["a=1 c=x: 2202", "a=1 b=y c=x: 20"];
    expect(await points()).toEqual([twice, twice]);
    add();
    expect(await points()).toEqual([
      ["a=1 c=x: 3303", "a=1 b=y c=x: 30"],
      ["a=1 c=x: 1101", "a=1 b=y c=x: 10"],
    ]);
  });
});
