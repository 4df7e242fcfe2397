import { createApiServer, type ApiServer } from "@almanac/apiserver";
import { sleep, type Clock } from "@almanac/core";
import { bearerToken, createFaultyClient, createInformer, createKubeClient } from "@almanac/kube";
import type { FaultyClient, KubeClient, KubeObject } from "@almanac/kube";
import { createVirtualClock, type VirtualClock } from "@almanac/testkit";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createController } from "./controller.ts";
import { createFixedShard, createLeaderPartition, shardOf } from "./partition.ts";
import { again } from "./result.ts";
import { runControllers } from "./run-controllers.ts";
import { createShards, type Shards, type ShardsOptions } from "./shards.ts";

const shards = 8;
const maps = { group: "", version: "v1", plural: "configmaps", kind: "ConfigMap", namespaced: true };
const namespaces = Array.from({ length: 24 }, (_, index) => `team-${index}`);

let api: ApiServer;
let admin: KubeClient;
let clock: VirtualClock;
let members: Member[];
/** Which member works on an object just now. */
let working: Map<string, string>;
/** Every time two worked on one object. */
let doubles: string[];
let reconciled: Map<string, string>;

interface Member {
  readonly identity: string;
  readonly shards: Shards;
  readonly client: FaultyClient;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  /** Milliseconds that its wall clock is off. */
  offsetMs: number;
  /** As with SIGSTOP: time passes, and none of its timers fires. */
  pause(): void;
  /** What has become due meanwhile fires now, newest first: an order in which nobody may trust. */
  resume(): void;
}

beforeEach(async () => {
  api = await createApiServer();
  admin = createKubeClient({ server: api.url, auth: bearerToken(api.token) });
  clock = createVirtualClock();
  members = [];
  working = new Map();
  doubles = [];
  reconciled = new Map();
  for (const namespace of namespaces) {
    await admin.request({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: namespace } } });
    await admin.resource(maps).create({ metadata: { namespace, name: "settings" } });
  }
});
afterEach(async () => {
  for (const { stop } of members) stop.abort(new Error("the test is over"));
  let over = false;
  void Promise.allSettled(members.map(({ ended }) => ended)).then(() => (over = true));
  await eventually("the end", () => over);
  admin[Symbol.dispose]();
  await api.close();
});

/** A process of its own, apart from the clock's monotonic time: reconciles each of its objects for 8 s, with pauses of 2 s. */
function join(identity: string, options: Partial<ShardsOptions> = {}): Member {
  const inner = createKubeClient({ server: api.url, auth: bearerToken(api.token) }, { retries: 0 });
  let late: (() => void)[] | undefined;
  const own: Clock = {
    ...clock,
    now: () => clock.now() + member.offsetMs,
    setTimeout(callback, delayMs, settings) {
      let isCancelled = false;
      const fire = (): void => void (isCancelled || callback());
      const timer = clock.setTimeout(() => (late === undefined ? fire() : void late.push(fire)), delayMs, settings);
      const cancel = (): void => {
        isCancelled = true;
        timer.cancel();
      };
      return { ...timer, cancel };
    },
  };
  const client = createFaultyClient(inner, { clock: own });
  const partition = createShards(client, {
    namespace: "default",
    name: "m",
    shards,
    identity,
    clock: own,
    random: () => 0,
    drainMs: 10_000,
    ...options,
  });
  const informer = createInformer<KubeObject>(client.resource(maps), { clock: own });
  const controller = createController({
    name: identity,
    informer,
    concurrency: 64,
    partition,
    telemetry: { tracerProvider: new TracerProvider() },
    clock: own,
    async reconcile({ namespace, name }, { signal, assertCurrent }) {
      if (name !== "settings") return again(2_000);
      const other = working.get(namespace);
      if (other !== undefined) doubles.push(`${namespace}: ${identity} beside ${other}`);
      working.set(namespace, identity);
      try {
        await sleep(8_000, { clock: own, signal });
        assertCurrent();
        reconciled.set(namespace, identity);
      } finally {
        working.delete(namespace);
      }
      return again(2_000);
    },
  });
  const stop = new AbortController();
  const ended = runControllers({ controllers: [controller], shards: partition, signal: stop.signal });
  ended.catch(() => {});
  const member: Member = {
    identity,
    shards: partition,
    client,
    stop,
    ended,
    offsetMs: 0,
    pause: () => void (late = []),
    resume() {
      const due = late ?? [];
      late = undefined;
      for (const fire of due.reverse()) fire();
    },
  };
  members.push(member);
  return member;
}

/** Moves time on, looking at every step that no two own the same. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    await clock.advance(Math.min(250, left));
    await new Promise((resolve) => setTimeout(resolve, 1));
    for (const namespace of namespaces) {
      const owners = members.filter((member) => member.shards.owns(namespace));
      if (owners.length > 1) doubles.push(`${namespace}: owned by ${owners.map(({ identity }) => identity).join()}`);
    }
  }
}

async function eventually(what: string, condition: () => boolean, withinMs = 120_000): Promise<void> {
  const deadline = clock.monotonic() + withinMs;
  while (!condition()) {
    if (clock.monotonic() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await pass(250);
  }
}

const shares = (): number[] => members.map((member) => member.shards.held.length);
const isShared =
  (...wanted: number[]) =>
  () =>
    shares().sort().join() === wanted.sort().join();
const ownersNow = (): Set<string> => new Set(reconciled.values());

/** Every object is reconciled again, each by the one that owns it. */
async function untilAllServed(alive: readonly Member[]): Promise<void> {
  reconciled.clear();
  await eventually("every object reconciled", () => reconciled.size === namespaces.length);
  for (const [namespace, identity] of reconciled) {
    expect(alive.find((member) => member.identity === identity)?.shards.owns(namespace), namespace).toBe(true);
  }
}

describe("createShards", () => {
  it("refuses a number of shards that makes no sense", () => {
    expect(() => createShards(admin, { namespace: "default", name: "m", shards: 0 })).toThrow(/from 1 to 1,000, got 0/);
  });

  it("shares namespaces between two, then three, and back, each object with one of them", async () => {
    const a = join("a");
    await eventually("alone", isShared(8));
    await untilAllServed([a]);
    // In the midst of the next reconciles, which are waited for.
    await pass(4_000);
    const b = join("b");
    await eventually("shared by two", isShared(4, 4));
    await untilAllServed([a, b]);
    expect(ownersNow()).toEqual(new Set(["a", "b"]));
    await pass(4_000);
    const c = join("c");
    await eventually("shared by three", isShared(3, 3, 2));
    await untilAllServed([a, b, c]);
    expect(ownersNow()).toEqual(new Set(["a", "b", "c"]));
    // One leaves in peace: its share is there for the others at once.
    await pass(4_000);
    b.stop.abort();
    await eventually("taken over", isShared(4, 4, 0), 20_000);
    await b.ended;
    await untilAllServed([a, c]);
    expect(doubles).toEqual([]);
  });

  it("takes over within 20 s what a process leaves that is killed or cut off", async () => {
    const a = join("a");
    const b = join("b");
    const c = join("c");
    await eventually("shared", isShared(3, 3, 2));
    await untilAllServed([a, b, c]);
    await pass(4_000);
    // It lives on, but nothing it says gets anywhere; it must stop by itself before the others begin.
    b.client.inject({ latencyMs: Number.POSITIVE_INFINITY });
    const cutAt = clock.monotonic();
    await eventually("taken over", () => a.shards.held.length + c.shards.held.length === shards);
    expect(clock.monotonic() - cutAt).toBeLessThanOrEqual(20_000);
    expect(b.shards.held).toEqual([]);
    await untilAllServed([a, c]);
    expect(doubles).toEqual([]);
  });

  it("takes over within 20 s what a process leaves whose successor is killed too", async () => {
    const kill = (member: Member) => member.client.inject({ latencyMs: Number.POSITIVE_INFINITY });
    const a = join("a");
    const b = join("b");
    await eventually("shared", isShared(4, 4));
    const left = a.shards.held;
    kill(a);
    const killedAt = clock.monotonic();
    await pass(2_000);
    const second = join("a2");
    await pass(5_000);
    kill(second);
    await pass(1_000);
    const third = join("a3");
    const isHeld = (shard: number) => [b, third].some(({ shards: { held } }) => held.includes(shard));
    await eventually("taken over", () => left.every(isHeld));
    expect(clock.monotonic() - killedAt).toBeLessThanOrEqual(20_000);
    await eventually("shared again", () => b.shards.held.length === 4 && third.shards.held.length === 4);
    await untilAllServed([b, third]);
    expect(doubles).toEqual([]);
  });

  it("keeps one owner per object while wall clocks step and answers are lost", async () => {
    const [a, b, c] = [join("a"), join("b"), join("c")];
    await eventually("shared", isShared(3, 3, 2));
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let round = 0; round < 12; round++) {
      const member = [a, b, c][random(3)] as Member;
      switch (random(3)) {
        case 0:
          member.offsetMs += (random(2) === 0 ? 1 : -1) * random(3_600_000);
          break;
        case 1:
          member.client.inject({
            resources: ["leases"],
            verbs: ["update", "patch"],
            loseAnswer: true,
            times: 1 + random(6),
          });
          break;
        case 2:
          member.client.inject({ resources: ["leases"], error: "unavailable", times: 1 + random(12) });
      }
      await pass(random(8_000));
    }
    await eventually("shared again", isShared(3, 3, 2));
    await untilAllServed([a, b, c]);
    expect(doubles).toEqual([]);
  });

  it("aborts what runs when a Lease is taken away, and does not act after its deadline", async () => {
    const a = join("a");
    await eventually("alone", isShared(8));
    const lease = { group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease", namespaced: true };
    const shard = shardOf("team-0", shards);
    await admin
      .resource(lease)
      .patch(
        { namespace: "default", name: `m-shard-${shard}` },
        { spec: { holderIdentity: "x", leaseTransitions: 9 } },
        { type: "merge" },
      );
    await eventually("lost", () => !a.shards.owns("team-0"), 5_000);
    expect(a.shards.enter("team-0")).toBeUndefined();
    reconciled.delete("team-0");
    await pass(5_000);
    expect(reconciled.has("team-0")).toBe(false);
    await eventually("back", () => a.shards.owns("team-0"), 30_000);
  });

  it("owns nothing after a pause in which another took over, before any timer has told it so", async () => {
    const a = join("a");
    const b = join("b");
    await eventually("shared by two", isShared(4, 4));
    await untilAllServed([a, b]);
    await pass(4_000);
    const lost = namespaces.filter((namespace) => a.shards.owns(namespace));
    expect(lost.length).toBeGreaterThan(0);
    const holds = lost.map((namespace) => a.shards.enter(namespace));
    expect(holds.every((hold) => hold?.current)).toBe(true);
    a.pause();
    doubles = [];
    await eventually("taken over", () => b.shards.held.length === shards);
    // What b begins runs beside what a is in the middle of: that is for `assertCurrent` to stop.
    expect(doubles.filter((double) => double.includes("owned by"))).toEqual([]);
    expect(a.shards.held).toEqual([]);
    expect(lost.map((namespace) => [a.shards.owns(namespace), a.shards.enter(namespace)])).toEqual(
      lost.map(() => [false, undefined]),
    );
    expect(holds.map((hold) => [hold?.signal.aborted, hold?.current])).toEqual(lost.map(() => [false, false]));
    for (const hold of holds) hold?.[Symbol.dispose]();
    reconciled.clear();
    a.resume();
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect([...reconciled]).toEqual([]);
    doubles = [];
    await eventually("shared again", isShared(4, 4));
    await untilAllServed([a, b]);
    expect(doubles).toEqual([]);
  });

  it("ends when a reconcile ignores that its shard is lost", async () => {
    const a = join("a", { abandonMs: 1_000 });
    await eventually("alone", isShared(8));
    const hold = a.shards.enter("team-0");
    expect(hold?.current).toBe(true);
    a.client.inject({ resources: ["leases"], error: "unavailable" });
    let failure: unknown;
    a.ended.catch((error: unknown) => (failure = error));
    await eventually("the end", () => failure !== undefined, 30_000);
    expect(failure).toMatchObject({ code: "drain_timeout" });
    expect(hold?.signal.aborted).toBe(true);
    expect(hold?.current).toBe(false);
  });
});

describe("shardOf", () => {
  it("is the same for ever and spreads names that are alike", () => {
    expect([shardOf("", 16), shardOf("default", 16), shardOf("team-1", 16), shardOf("équipe", 16)]).toEqual([
      11, 12, 9, 5,
    ]);
    const counts = new Map<number, number>();
    for (let index = 0; index < 16_000; index++) {
      const shard = shardOf(`namespace-${index}`, 16);
      counts.set(shard, (counts.get(shard) ?? 0) + 1);
    }
    expect(Math.min(...counts.values())).toBeGreaterThan(850);
    expect(Math.max(...counts.values())).toBeLessThan(1_150);
  });
});

describe("createFixedShard", () => {
  it("owns the namespaces of its shard only, while its leader leads", () => {
    let leading = true;
    const elector = {
      identity: "a",
      run: () => Promise.resolve(),
      get leading() {
        return leading;
      },
    };
    const all = Array.from({ length: 3 }, (_, index) => createFixedShard({ index, count: 3 }, elector));
    for (const namespace of namespaces) expect(all.filter((shard) => shard.owns(namespace))).toHaveLength(1);
    const own = namespaces.find((namespace) => all[1]?.owns(namespace)) as string;
    const hold = all[1]?.enter(own);
    expect(hold?.current).toBe(true);
    leading = false;
    expect(hold?.current).toBe(false);
    expect(all[1]?.enter(own)).toBeUndefined();
    expect(createLeaderPartition(elector).owns("anything")).toBe(true);
    expect(() => createFixedShard({ index: 3, count: 3 })).toThrow(/0 <= index < count, got index=3 count=3/);
  });
});
