import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { stack } from "@almanac/catalog";
import type { MetricData } from "@opentelemetry/sdk-metrics";
import { describe, expect, it } from "vitest";
import { createInstruments } from "./instruments.ts";
import { openSdk, providers } from "./open-sdk.test.helper.ts";
import { observeProcFs } from "./process-proc-fs.ts";
import { observeProcess } from "./process.ts";

function valueOf(all: ReadonlyMap<string, MetricData>, name: string): number {
  return Number(all.get(name)?.dataPoints[0]?.value);
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

describe.each(providers)("on %s meter provider", (_name, open) => {
  describe("observeProcess", () => {
    it("serves every process and runtime family of the stack catalog with plausible values", async () => {
      const sdk = openSdk(open, [stack]);
      using _ = observeProcess(sdk.provider);
      using _server = {
        [Symbol.dispose]: clearInterval.bind(
          undefined,
          setInterval(() => {}, 1000),
        ),
      };
      collectGarbage();
      // Long enough for the event loop's sampling to have fired; what it measured is not judged.
      await wait(60);
      const all = await sdk.collect();

      const expected = Object.keys(stack.families).filter((name) => /^(process|nodejs)_/.test(name));
      expect([...all.keys()].filter((name) => /^(process|nodejs)_/.test(name)).sort()).toEqual(expected.sort());
      expect(all.has("almanac_catalog_violations_total")).toBe(false);
      const errors = all.get("almanac_collection_errors_total")?.dataPoints ?? [];
      expect(errors.length).toBeGreaterThan(0);
      expect(errors.filter(({ value }) => value !== 0)).toEqual([]);

      const cpu = valueOf(all, "process_cpu_user_seconds_total") + valueOf(all, "process_cpu_system_seconds_total");
      expect(valueOf(all, "process_cpu_seconds_total")).toBeCloseTo(cpu, 9);
      expect(
        Math.abs(valueOf(all, "process_start_time_seconds") - (Date.now() / 1000 - process.uptime())),
      ).toBeLessThan(60);
      expect(valueOf(all, "process_virtual_memory_bytes")).toBeGreaterThan(
        valueOf(all, "process_resident_memory_bytes"),
      );
      expect(valueOf(all, "process_open_fds")).toBeGreaterThan(2);
      expect(valueOf(all, "nodejs_heap_size_total_bytes")).toBeGreaterThan(valueOf(all, "nodejs_heap_size_used_bytes"));
      expect(valueOf(all, "nodejs_eventloop_lag_max_seconds")).toBeGreaterThanOrEqual(
        valueOf(all, "nodejs_eventloop_lag_min_seconds"),
      );
      expect(
        all.get("nodejs_heap_space_size_used_bytes")?.dataPoints.map((point) => point.attributes["space"]),
      ).toContain("old");
      expect(all.get("nodejs_version_info")?.dataPoints[0]?.attributes).toMatchObject({ version: process.version });
      expect(all.get("nodejs_gc_duration_seconds")?.dataPoints.map((point) => point.attributes["kind"])).toContain(
        "major",
      );
    });

    it("says that a type of resource is gone instead of repeating its last number", async () => {
      const sdk = openSdk(open, [stack]);
      using _ = observeProcess(sdk.provider);
      const timeouts = async (): Promise<number> => {
        const points = (await sdk.collect()).get("nodejs_active_resources")?.dataPoints ?? [];
        return Number(points.find((point) => point.attributes["type"] === "Timeout")?.value);
      };
      const timers = Array.from({ length: 5 }, () => setInterval(() => {}, 1000));
      const before = await timeouts();
      for (const timer of timers) clearInterval(timer);
      // Families of one collection share a reading for a moment.
      await wait(60);
      expect(before - (await timeouts())).toBeGreaterThanOrEqual(5);
    });

    it("is silent after it was disposed", async () => {
      const sdk = openSdk(open, [stack]);
      observeProcess(sdk.provider)[Symbol.dispose]();
      collectGarbage();
      await wait(20);
      // The account of its sources' failures stays; they were none.
      expect([...(await sdk.collect()).keys()]).toEqual(["almanac_collection_errors_total"]);
    });
  });

  describe("observeProcFs", () => {
    it("registers nothing where there is no /proc", () => {
      expect(observeProcFs(createInstruments(stack, openSdk(open, [stack]).provider), "/nowhere")).toEqual([]);
    });

    it("counts a field it cannot find as a failure of the source and serves the others", async () => {
      const sdk = openSdk(open, [stack]);
      const root = await mkdtemp(join(tmpdir(), "almanac-proc-"));
      try {
        await writeFile(join(root, "status"), "Name:\tnode\nVmSize:\t   2048 kB\n");
        await writeFile(
          join(root, "limits"),
          "Limit   Soft Limit  Hard Limit  Units\nMax open files            unlimited            unlimited            files\n",
        );
        const observations = observeProcFs(createInstruments(stack, sdk.provider), root);
        const all = await sdk.collect();
        for (const observation of observations) observation[Symbol.dispose]();
        expect(valueOf(all, "process_virtual_memory_bytes")).toBe(2048 * 1024);
        expect(all.has("process_max_fds")).toBe(false);
        // The data segment's field and the directory of descriptors are missing.
        expect(
          all
            .get("almanac_collection_errors_total")
            ?.dataPoints.filter(({ value }) => value !== 0)
            .map(({ attributes, value }) => [attributes, value]),
        ).toEqual([[{ source: "proc" }, 2]]);
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    });
  });
});
