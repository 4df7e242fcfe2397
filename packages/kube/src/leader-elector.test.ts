import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stack } from "@almanac/catalog";
import { createInstruments } from "@almanac/metrics";
import { sleep, type Clock } from "@almanac/core";
import { createVirtualClock, type VirtualClock } from "@almanac/testkit";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import fc from "fast-check";
import { eventually, startFlakyApi, type FlakyApi } from "./flaky-api.test.support.ts";
import { createLeaderElector, type LeaderElector, type LeaderElectorOptions } from "./leader-elector.ts";
import { leaseResource, type Lease } from "./lease.ts";

const namespace = "kube-system";
let api: FlakyApi;
let clock: VirtualClock;
let stop: AbortController;

beforeEach(async () => {
  api = await startFlakyApi();
  clock = createVirtualClock();
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort(new Error("the test is over"));
  await api[Symbol.asyncDispose]();
});

function elector(
  identity: string,
  options: Partial<LeaderElectorOptions> = {},
  itsClock: Clock = clock,
): LeaderElector {
  return createLeaderElector(api.client({ clock: itsClock }), {
    namespace,
    name: "manager",
    identity,
    clock: itsClock,
    random: () => 0,
    ...options,
  });
}

function lease(): Lease | undefined {
  return api.objects(leaseResource)[0];
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
const step = (): Promise<void> => clock.advance(500);

describe("createLeaderElector", () => {
  it.each([
    { leaseDurationMs: 500 },
    { leaseDurationMs: 10_000, renewDeadlineMs: 10_000 },
    { renewDeadlineMs: 2_000, retryPeriodMs: 2_000 },
    { retryPeriodMs: 0 },
  ])("refuses durations that do not fit together: %j", (durations) => {
    expect(() => elector("a", durations)).toThrow(/invalid_options.*leaseDurationMs=/);
  });

  it("makes the lease, renews it, and releases it when asked to stop", async () => {
    const states: boolean[] = [];
    const a = elector("a", { onState: (leading) => states.push(leading) });
    const running = a.run(stop.signal, untilAborted);
    await eventually(() => a.leading, step);
    expect(lease()?.spec).toMatchObject({ holderIdentity: "a", leaseDurationSeconds: 15, leaseTransitions: 0 });
    const first = lease()?.spec?.renewTime;
    await eventually(() => lease()?.spec?.renewTime !== first, step);
    expect(lease()?.spec?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    stop.abort(new Error("stop"));
    await running;
    expect(lease()?.spec?.holderIdentity).toBe("");
    expect(states).toEqual([true, false]);
    expect(clock.pending).toBe(0);
  });

  it("hands over at once when released, in a new term", async () => {
    const a = elector("a");
    const b = elector("b");
    const stopA = new AbortController();
    const runningA = a.run(stopA.signal, untilAborted);
    await eventually(() => a.leading, step);
    const terms: number[] = [];
    const runningB = b.run(stop.signal, async (signal, term) => {
      terms.push(term.transitions);
      await untilAborted(signal);
    });
    await clock.advance(30_000);
    expect(b.leading).toBe(false);
    stopA.abort();
    await eventually(() => lease()?.spec?.holderIdentity === "", step);
    await runningA;
    await eventually(() => b.leading, step);
    expect(terms).toEqual([1]);
    stop.abort();
    await runningB;
  });

  it("keeps the lease while lead winds down", async () => {
    const a = elector("a");
    let wound = false;
    const running = a.run(stop.signal, async (signal) => {
      await untilAborted(signal);
      await sleep(30_000, { clock });
      wound = true;
    });
    await eventually(() => a.leading, step);
    stop.abort();
    for (let round = 0; round < 50; round++) {
      await step();
      await new Promise((resolve) => setTimeout(resolve, 1));
      expect(a.leading).toBe(true);
    }
    await eventually(() => wound, step);
    await running;
    expect(lease()?.spec?.holderIdentity).toBe("");
  });

  it("aborts lead when it cannot renew in time, and campaigns again", async () => {
    const a = elector("a");
    const reasons: unknown[] = [];
    const running = a.run(stop.signal, async (signal) => {
      await untilAborted(signal);
      reasons.push(signal.reason);
      signal.throwIfAborted();
    });
    await eventually(() => a.leading, step);
    api.fault = () => ({ type: "hang" });
    await eventually(() => reasons.length === 1, step);
    expect(reasons[0]).toMatchObject({ code: "leadership_lost" });
    expect(a.leading).toBe(false);
    api.fault = () => undefined;
    await eventually(
      () => a.leading,
      () => clock.advance(2_000),
    );
    stop.abort();
    await running;
  });

  it("knows its own renewal again whose answer was lost", async () => {
    const a = elector("a");
    const running = a.run(stop.signal, untilAborted);
    await eventually(() => a.leading, step);
    let losses = 1;
    api.fault = (request) => (request.method === "PUT" && losses-- > 0 ? { type: "lose-answer" } : undefined);
    const before = api.version;
    await eventually(() => api.version >= before + 3, step);
    expect(a.leading).toBe(true);
    expect(lease()?.spec?.leaseTransitions).toBe(0);
    stop.abort();
    await running;
  });

  it("counts a renewal from its request, not from its answer", async () => {
    const a = elector("a");
    const running = a.run(stop.signal, untilAborted);
    await eventually(() => a.leading, step);
    api.fault = () => ({ type: "late" });
    const version = api.version;
    await eventually(() => api.version > version, step);
    await clock.advance(7_000);
    api.fault = () => ({ type: "hang" });
    api.release();
    await new Promise((resolve) => setTimeout(resolve, 20));
    // Ten seconds after the lease was acquired, but not after the renewal was sent.
    await clock.advance(1_500);
    expect(a.leading).toBe(true);
    await clock.advance(2_000);
    expect(a.leading).toBe(false);
    stop.abort();
    await running;
  });

  it("gives way to a holder that took the lease", async () => {
    const a = elector("a");
    const running = a.run(stop.signal, untilAborted);
    await eventually(() => a.leading, step);
    api.put(
      { ...lease()!, spec: { ...lease()!.spec, holderIdentity: "usurper", leaseTransitions: 7 } } as Lease,
      leaseResource,
    );
    await eventually(() => !a.leading, step);
    stop.abort();
    await running;
    expect(lease()?.spec?.holderIdentity).toBe("usurper");
  });

  it("does not take over its own name from a process that may still run", async () => {
    const a = elector("same");
    const b = elector("same");
    const first = a.run(stop.signal, untilAborted);
    await eventually(() => a.leading, step);
    const second = b.run(stop.signal, untilAborted);
    await clock.advance(20_000);
    expect(b.leading).toBe(false);
    stop.abort();
    await Promise.all([first, second]);
  });

  it("passes on what lead throws, after releasing the lease", async () => {
    const running = elector("a").run(stop.signal, () => Promise.reject(new Error("broken")));
    await expect(running).rejects.toThrow("broken");
    expect(lease()?.spec?.holderIdentity).toBe("");
  });

  it("shows who leads in leader_election_master_status", async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const provider = new MeterProvider({ readers: [reader] });
    const status = async (): Promise<unknown> => {
      exporter.reset();
      await reader.forceFlush();
      const metrics = exporter
        .getMetrics()
        .flatMap((resource) => resource.scopeMetrics.flatMap((scope) => scope.metrics));
      return metrics
        .find((metric) => metric.descriptor.name === "leader_election_master_status")
        ?.dataPoints.map((point) => [point.attributes, point.value]);
    };
    const a = elector("a", { instruments: createInstruments(stack, provider) });
    api.fault = () => ({ type: "status", status: 503 });
    const running = a.run(stop.signal, untilAborted);
    await eventually(() => api.seen.length > 0);
    expect(await status()).toEqual([[{ name: "manager" }, 0]]);
    api.fault = () => undefined;
    await eventually(() => a.leading, step);
    expect(await status()).toEqual([[{ name: "manager" }, 1]]);
    stop.abort();
    await running;
    expect(await status()).toEqual([[{ name: "manager" }, 0]]);
    await provider.shutdown();
  });

  // Invariant: at no instant do two electors lead. Wall clocks step by up to an hour in both directions, requests fail, hang, or are
  // carried out without an answer; all share one monotonic time.
  it("never lets two lead at once, whatever the wall clocks and the network do", async () => {
    const act = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 100, max: 6_000 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant("clock" as const),
          who: fc.nat(2),
          ms: fc.integer({ min: -3_600_000, max: 3_600_000 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant("network" as const),
          who: fc.nat(2),
          state: fc.constantFrom("ok", "hang", "reset", "lose-answer", "late", "status"),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), who: fc.nat(2) }) },
    );
    let terms = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 15, maxLength: 40 }), async (acts) => {
        await using server = await startFlakyApi();
        const shared = createVirtualClock();
        const network = ["ok", "ok", "ok"];
        const offsets = [0, 0, 0];
        server.fault = (request) => {
          const state = network[Number(/member-(\d)/.exec(request.headers["user-agent"] ?? "")?.[1] ?? 0)];
          if (state === "lose-answer") return request.method === "GET" ? undefined : { type: "lose-answer" };
          if (state === "hang" || state === "reset" || state === "late") return { type: state };
          return state === "status" ? { type: "status", status: 503 } : undefined;
        };
        const members = [0, 1, 2].map((index) => {
          const own: Clock = { ...shared, now: () => shared.now() + offsets[index]! };
          const client = server.client({ clock: own, userAgent: `member-${index}`, retries: 0 });
          return {
            index,
            elector: createLeaderElector(client, {
              namespace,
              name: "x",
              identity: `m${index}`,
              clock: own,
              random: () => index / 3,
            }),
            stop: new AbortController(),
            running: Promise.resolve(),
          };
        });
        const started = (member: (typeof members)[number]): void => {
          member.stop = new AbortController();
          member.running = member.elector.run(member.stop.signal, async (signal) => {
            terms += 1;
            await untilAborted(signal);
          });
        };
        const check = (): void =>
          expect(members.filter((member) => member.elector.leading).length).toBeLessThanOrEqual(1);
        const pass = async (ms: number): Promise<void> => {
          for (let left = ms; left > 0; left -= 500) {
            await shared.advance(Math.min(500, left));
            await new Promise((resolve) => setTimeout(resolve, 1));
            check();
          }
        };
        members.forEach(started);
        await pass(3_000);
        for (const one of acts) {
          switch (one.do) {
            case "pass":
              await pass(one.ms);
              break;
            case "clock":
              offsets[one.who]! += one.ms;
              check();
              break;
            case "network":
              network[one.who] = one.state;
              server.release();
              break;
            case "restart": {
              const member = members[one.who]!;
              member.stop.abort();
              let ended = false;
              void member.running.then(() => (ended = true));
              await eventually(
                () => ended,
                () => pass(500),
                "the end of a member",
              );
              started(member);
            }
          }
        }
        network.fill("ok");
        await eventually(
          () => members.some((member) => member.elector.leading),
          () => pass(2_000),
          "a leader",
        );
        for (const member of members) member.stop.abort();
        let over = false;
        void Promise.all(members.map((member) => member.running)).then(() => (over = true));
        await eventually(
          () => over,
          () => shared.advance(500),
          "the end",
        );
      }),
      { numRuns: 12, seed: 20_260_102, endOnFailure: true },
    );
    expect(terms).toBeGreaterThan(12);
  });
});
