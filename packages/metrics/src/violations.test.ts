import { stack, virtrigaud } from "@almanac/catalog";
import type { Catalog } from "@almanac/catalog";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createInstruments } from "./instruments.ts";
import { openSdk, operation, pointsOf, providers, violations } from "./open-sdk.test.helper.ts";

describe.each(providers)("on %s meter provider", (_name, openWith) => {
  const openHere = (catalogs?: readonly Catalog[]) => openSdk(openWith, catalogs);

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
      const sdk = openHere();
      const { virtrigaud_vm_operations_total: counter } = createInstruments(virtrigaud, sdk.provider, sdk);
      counter.add(1, untyped(labels));
      const all = await sdk.collect();
      expect(pointsOf(all.get("virtrigaud_vm_operations_total"))).toEqual(recorded);
      expect(pointsOf(all.get(violations))).toEqual([`family=virtrigaud_vm_operations_total reason=${reason}: 1`]);
      expect(sdk.warnings).toMatchObject([{ family: "virtrigaud_vm_operations_total", reason }]);
    });

    it("does not take the member other itself for a violation", async () => {
      const sdk = openHere();
      createInstruments(virtrigaud, sdk.provider).virtrigaud_vm_operations_total.add(1, {
        ...operation,
        operation: "other",
      });
      expect((await sdk.collect()).has(violations)).toBe(false);
    });

    it("counts every time and warns once per family and reason", async () => {
      const sdk = openHere();
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
      const sdk = openHere();
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
      const sdk = openHere();
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
      const sdk = openHere();
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
      const sdk = openHere();
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
});
