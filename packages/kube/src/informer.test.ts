import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createVirtualClock, type VirtualClock } from "@almanac/testkit";
import type { InformerEvent } from "./cache.ts";
import type { KubeClientOptions } from "./client.ts";
import {
  eventually,
  startFlakyApi,
  things,
  type FlakyApi,
  type StreamFault,
  type Thing,
} from "./flaky-api.test.support.ts";
import { createInformer, type Informer, type InformerOptions } from "./informer.ts";

const namespace = "lab";
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

function put(name: string, value = 0): Thing {
  return api.put({ metadata: { namespace, name }, spec: { value } } as Thing);
}

interface Followed {
  readonly informer: Informer<Thing>;
  /** E.g. `add a`, in order. */
  readonly log: string[];
}

function follow(options: InformerOptions<Thing> = {}, client: KubeClientOptions = {}): Followed {
  const resource = api.client({ clock, ...client }).resource<Thing>(things);
  const informer = createInformer<Thing>(resource, { clock, random: () => 0, ...options });
  const log: string[] = [];
  informer.onEvent((event: InformerEvent<Thing>) => {
    const unknown = event.type === "delete" && event.finalStateUnknown ? " unknown" : "";
    const resync = event.type === "update" && event.resync ? " resync" : "";
    log.push(`${event.type} ${event.object.metadata.name}${unknown}${resync}`);
  });
  informer.start(stop.signal);
  return { informer, log };
}

/** Real time for the loopback, virtual time for pauses and timeouts. */
const step = (): Promise<void> => clock.advance(200);

describe("createInformer", () => {
  it("delivers what is there, then every change, in order", async () => {
    put("a");
    const { informer, log } = follow();
    await informer.synced();
    expect(informer.list()).toHaveLength(1);
    await eventually(() => api.watches === 1);
    put("b");
    put("a", 1);
    api.remove(namespace, "b");
    await eventually(() => log.length === 4);
    expect(log).toEqual(["add a", "add b", "update a", "delete b"]);
    expect(informer.get(namespace, "a")).toMatchObject({ kind: "Thing", spec: { value: 1 } });
    expect(informer.status()).toMatchObject({ synced: true, objects: 1, lastError: undefined, failures: 0 });
  });

  it("shows a late handler what is there and nothing twice", async () => {
    put("a");
    const { informer } = follow();
    await informer.synced();
    const seen: string[] = [];
    using subscription = informer.onEvent((event) => seen.push(`${event.type} ${event.object.metadata.name}`));
    expect(seen).toEqual(["add a"]);
    await eventually(() => api.watches === 1);
    put("b");
    await eventually(() => seen.length === 2);
    subscription[Symbol.dispose]();
    put("c");
    await eventually(() => informer.get(namespace, "c") !== undefined);
    expect(seen).toEqual(["add a", "add b"]);
  });

  it("finds objects by index, and no longer when they changed or are gone", async () => {
    put("a", 1);
    put("b", 1);
    const { informer } = follow({ indexers: { value: (thing) => [String(thing.spec?.value)] } });
    await informer.synced();
    await eventually(() => api.watches === 1);
    const names = (value: string): string[] => informer.byIndex("value", value).map((thing) => thing.metadata.name);
    expect(names("1")).toEqual(["a", "b"]);
    put("a", 2);
    api.remove(namespace, "b");
    await eventually(() => names("1").length === 0);
    expect(names("2")).toEqual(["a"]);
    expect(informer.list(namespace)).toHaveLength(1);
    expect(informer.list("other")).toEqual([]);
    expect(() => informer.byIndex("colour", "red")).toThrow(/no index "colour".*value/);
  });

  it("goes on when a handler, an indexer or a transform throws", async () => {
    put("a");
    const broken = (): never => {
      throw new Error("broken");
    };
    const { informer, log } = follow({ indexers: { broken }, transform: broken });
    informer.onEvent(broken);
    await informer.synced();
    await eventually(() => api.watches === 1);
    put("b");
    await eventually(() => log.length === 2);
    expect(informer.list()).toHaveLength(2);
  });

  it("drops managed fields unless told otherwise", async () => {
    api.put({ metadata: { namespace, name: "a", managedFields: [{ manager: "kubectl" }] } });
    const { informer } = follow();
    await informer.synced();
    expect(informer.get(namespace, "a")?.metadata).not.toHaveProperty("managedFields");
  });

  it("sends everything again at the resync period", async () => {
    put("a");
    const { informer, log } = follow({ resyncMs: 60_000 });
    await informer.synced();
    await clock.advance(60_000);
    expect(log).toEqual(["add a", "update a resync"]);
  });

  it("stops with its signal and leaves neither timer nor connection", async () => {
    const { informer } = follow({ resyncMs: 60_000 });
    await informer.synced();
    await eventually(() => api.watches === 1);
    stop.abort(new Error("stop"));
    await eventually(() => api.watches === 0 && clock.pending === 0);
    expect(() => informer.start(new AbortController().signal)).toThrow(/started before/);
  });

  it("rejects synced with the reason of whichever signal aborts", async () => {
    api.fault = () => ({ type: "status", status: 403 });
    const { informer } = follow();
    await expect(informer.synced(AbortSignal.abort(new Error("impatient")))).rejects.toThrow("impatient");
    const waiting = informer.synced();
    stop.abort(new Error("stopped"));
    await expect(waiting).rejects.toThrow("stopped");
  });
});

describe("an informer of a server that misbehaves", () => {
  it.each<[StreamFault]>([
    ["end"],
    ["half-open"],
    ["reset"],
    ["reset-mid-line"],
    ["malformed"],
    ["long-line"],
    ["error-410"],
    ["error-500"],
    ["duplicate"],
  ])("survives a watch that does %s and misses nothing", async (how) => {
    put("a");
    put("gone");
    let faulty = 3;
    api.fault = (request) => (request.watch && faulty-- > 0 ? { type: "stream", how, afterEvents: 1 } : undefined);
    const { informer, log } = follow({ idleTimeoutMs: 30_000 }, { maxLineBytes: 50_000 });
    await informer.synced();
    for (let value = 1; value <= 8; value++) {
      await eventually(() => api.watches > 0, step);
      put("a", value);
      if (value === 4) api.remove(namespace, "gone");
      put(`new-${value}`);
      await step();
    }
    await eventually(() => informer.list().length === 9 && informer.get(namespace, "a")?.spec?.value === 8, step);
    expect(informer.get(namespace, "gone")).toBeUndefined();
    expect(log.filter((line) => line.startsWith("delete"))).toHaveLength(1);
    expect(log.filter((line) => line.startsWith("add")).sort()).toEqual(
      ["add a", "add gone", ...Array.from({ length: 8 }, (_, index) => `add new-${index + 1}`)].sort(),
    );
  });

  it.each([
    ["429 with Retry-After", { type: "status", status: 429, headers: { "retry-after": "40" } }],
    ["500", { type: "status", status: 500 }],
    ["401", { type: "status", status: 401 }],
    ["404 (the CRD is not there yet)", { type: "status", status: 404 }],
    ["a cut connection", { type: "reset" }],
    ["no JSON", { type: "raw", text: "<html>" }],
    ["no list", { type: "raw", text: "{}" }],
    ["no answer", { type: "hang" }],
  ] as const)("keeps trying to list through %s", async (_name, fault) => {
    put("a");
    api.fault = () => fault;
    const { informer } = follow();
    await eventually(
      () => api.seen.length >= 3,
      () => clock.advance(5_000),
    );
    expect(informer.status()).toMatchObject({ synced: false });
    expect(informer.status().lastError).toBeInstanceOf(Error);
    api.fault = () => undefined;
    await eventually(
      () => informer.status().synced,
      () => clock.advance(5_000),
    );
    expect(informer.list()).toHaveLength(1);
  });

  it("takes a Retry-After for half a minute at most, plus jitter, and is there when the server is well", async () => {
    put("a");
    const wait = { type: "status", status: 503, headers: { "retry-after": "3600" } } as const;
    api.fault = () => (api.seen.length === 1 ? wait : undefined);
    const { informer } = follow({ random: () => 0.5 });
    await eventually(() => informer.status().failures === 1);
    await clock.advance(44_999);
    expect(api.seen).toHaveLength(1);
    await clock.advance(1);
    await informer.synced();
    expect(informer.list()).toHaveLength(1);
  });

  it("stays complete while the server is gone, says what is wrong, and goes on from there", async () => {
    put("a");
    const { informer, log } = follow();
    await informer.synced();
    await eventually(() => api.watches === 1);
    api.fault = () => ({ type: "reset" });
    // Nothing comes for so long, not even a bookmark.
    await clock.advance(150_000);
    await eventually(() => informer.status().failures > 2, step);
    const { lastActivityMs = 0, ...rest } = informer.status();
    expect(rest).toMatchObject({
      synced: true,
      objects: 1,
      lastError: expect.objectContaining({ code: "unavailable" }),
    });
    expect(clock.now() - lastActivityMs).toBeGreaterThan(150_000);
    put("b");
    api.fault = () => undefined;
    await eventually(() => log.includes("add b"), step);
    expect(log).toEqual(["add a", "add b"]);
    expect(informer.status()).toMatchObject({ failures: 0, objects: 2 });
  });

  it("waits as long as a server asks that asks for less", async () => {
    const wait = { type: "status", status: 429, headers: { "retry-after": "20" } } as const;
    api.fault = () => (api.seen.length === 1 ? wait : undefined);
    const { informer } = follow({}, { retries: 0 });
    await eventually(() => informer.status().failures === 1);
    await clock.advance(19_999);
    expect(api.seen).toHaveLength(1);
    await clock.advance(1);
    await informer.synced();
  });

  it("lists again after 410 and tells the difference as adds, updates and deletes", async () => {
    put("changed");
    put("deleted");
    put("same");
    const remade = put("remade");
    let refuse = false;
    api.fault = (request) => (request.watch && refuse ? { type: "status", status: 503 } : undefined);
    const { informer, log } = follow();
    await informer.synced();
    await eventually(() => api.watches === 1);
    refuse = true;
    api.fault = (request) => (refuse ? { type: "status", status: 503 } : request.watch ? undefined : undefined);
    log.length = 0;
    // The server's end of every watch, so that nothing of what follows is seen.
    await clock.advance(160_000);
    await eventually(() => api.watches === 0, step);
    put("changed", 1);
    api.remove(namespace, "deleted");
    api.remove(namespace, "remade");
    put("remade");
    put("added");
    api.compact();
    refuse = false;
    await eventually(() => informer.get(namespace, "added") !== undefined, step);
    expect(log.sort()).toEqual([
      "add added",
      "add remade",
      "delete deleted unknown",
      "delete remade unknown",
      "update changed",
    ]);
    expect(informer.get(namespace, "remade")?.metadata.uid).not.toBe(remade.metadata.uid);
  });

  it("takes over a server whose history started again", async () => {
    put("old");
    const { informer, log } = follow();
    await informer.synced();
    await eventually(() => api.watches === 1);
    api.reset();
    put("new");
    api.bookmark();
    await eventually(() => informer.get(namespace, "old") === undefined, step);
    expect(informer.list().map((thing) => thing.metadata.name)).toEqual(["new"]);
    expect(log).toContain("delete old unknown");
  });

  it("does not list again after an ordinary end of the watch", async () => {
    const { informer } = follow();
    await informer.synced();
    await eventually(() => api.watches === 1);
    api.bookmark();
    await clock.advance(160_000);
    await eventually(() => api.seen.length === 3, step);
    expect(api.seen.map((request) => request.watch)).toEqual([false, true, true]);
    expect(api.seen[2]!.query.get("resourceVersion")).toBe(String(api.version));
  });

  it("pauses longer and longer when every watch ends at once", async () => {
    api.fault = (request) => (request.watch ? { type: "stream", how: "end" } : undefined);
    const { informer } = follow();
    await informer.synced();
    // Five minutes with pauses of 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30 … seconds.
    for (let second = 0; second < 300; second++) {
      await clock.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(api.seen.length).toBeGreaterThan(8);
    expect(api.seen.length).toBeLessThan(20);
  });
});

describe("Informer.observe", () => {
  it("shows a write at once, and the watch's echo of it is no news", async () => {
    const { informer, log } = follow();
    await informer.synced();
    await eventually(() => api.watches === 1);
    const written = put("a", 1);
    informer.observe(written);
    expect(informer.get(namespace, "a")?.spec?.value).toBe(1);
    put("b");
    await eventually(() => log.length === 2);
    expect(log).toEqual(["add a", "add b"]);
  });

  it("copies fields of any name", async () => {
    const { informer } = follow();
    await informer.synced();
    const written = put("a");
    const labels = JSON.parse('{"__proto__":"text","constructor":"text"}') as Record<string, string>;
    informer.observe({ ...written, metadata: { ...written.metadata, labels } });
    const kept = informer.get(namespace, "a")?.metadata.labels;
    expect(JSON.stringify(kept)).toBe(JSON.stringify(labels));
    expect(Object.getPrototypeOf(kept)).toBe(Object.prototype);
    expect(kept).not.toBe(labels);
  });

  it("does not bring back an object whose deletion was already seen", async () => {
    const { informer, log } = follow();
    await informer.synced();
    await eventually(() => api.watches === 1);
    const written = put("a");
    api.remove(namespace, "a");
    await eventually(() => log.includes("delete a"));
    informer.observe(written);
    expect(informer.get(namespace, "a")).toBeUndefined();
  });

  it("never goes back to an older state, and keeps its own copy", async () => {
    const { informer } = follow();
    await informer.synced();
    await eventually(() => api.watches === 1);
    const first = put("a", 1);
    const second = put("a", 2);
    informer.observe(second);
    informer.observe(first);
    second.spec!.value = 99;
    expect(informer.get(namespace, "a")?.spec?.value).toBe(2);
  });

  it("takes what its labels select", async () => {
    const { informer, log } = follow({ labelSelector: "app in (a,b)" });
    await informer.synced();
    const written = put("new");
    informer.observe({ ...written, metadata: { ...written.metadata, labels: { app: "b" } } });
    expect(log).toEqual(["add new"]);
  });

  it.each([
    { namespace: "other" },
    { labelSelector: "app=a" },
    { labelSelector: "cores>4" },
    { fieldSelector: "spec.value=0" },
  ])("leaves alone what %j does not select, or only the server can tell", async (selection) => {
    const { informer, log } = follow(selection);
    await informer.synced();
    informer.observe(put("a"));
    expect(log).toEqual([]);
  });

  it.each([{ kind: "Other" }, { apiVersion: "example.dev/v2" }, { apiVersion: "v1", kind: "Secret" }])(
    "refuses an object that is %j",
    async (type) => {
      const { informer } = follow();
      await informer.synced();
      const written = { apiVersion: "example.dev/v1", kind: "Thing", ...put("a"), ...type };
      expect(() => informer.observe(written)).toThrow(/invalid_options.*Thing \(example.dev\/v1\).*lab\/a/);
      expect(informer.list()).toEqual([]);
    },
  );
});
