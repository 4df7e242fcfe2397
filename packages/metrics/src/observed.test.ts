import { liqo, virtrigaud } from "@almanac/catalog";
import type { Catalog } from "@almanac/catalog";
import { createVirtualClock } from "@almanac/testkit";
import { describe, expect, it } from "vitest";
import { createInstruments } from "./instruments.ts";
import { openSdk, pointsOf, providers, violations } from "./open-sdk.test.helper.ts";

describe.each(providers)("on %s meter provider", (_name, openWith) => {
  const openHere = (catalogs?: readonly Catalog[]) => openSdk(openWith, catalogs);

  describe("observe", () => {
    const failures = "almanac_collection_errors_total";

    it("reads at every collection until disposed, several callbacks per family", async () => {
      const sdk = openHere();
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
      const sdk = openHere();
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
      const sdk = openHere();
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
        const sdk = openHere();
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
      const sdk = openHere();
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
      const sdk = openHere();
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
