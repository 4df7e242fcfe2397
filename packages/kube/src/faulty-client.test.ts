import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createVirtualClock, type VirtualClock } from "@almanac/testkit";
import { createFaultyClient, type FaultyClient } from "./faulty-client.ts";
import { eventually, startFlakyApi, things, type FlakyApi, type Thing } from "./flaky-api.test.support.ts";
import { createInformer } from "./informer.ts";
import type { ResourceClient } from "./resource.ts";

let api: FlakyApi;
let clock: VirtualClock;
let client: FaultyClient;
let thing: ResourceClient<Thing>;
beforeEach(async () => {
  api = await startFlakyApi();
  clock = createVirtualClock();
  client = createFaultyClient(api.client(), { clock, random: () => 0.5 });
  thing = client.resource<Thing>(things);
});
afterEach(() => api[Symbol.asyncDispose]());
const key = { namespace: "lab", name: "a" };

describe("createFaultyClient", () => {
  it("passes everything on while it has no rule", async () => {
    await thing.create({ metadata: key });
    expect((await thing.get(key)).metadata.name).toBe("a");
    expect(client.hits).toBe(0);
  });

  it("fails what a rule names, as often as it says and until it is disposed of", async () => {
    await thing.create({ metadata: key });
    {
      using _fault = client.inject({ verbs: ["get"], resources: [things.plural], times: 1, error: "unavailable" });
      await thing.list();
      await expect(thing.get(key)).rejects.toMatchObject({ code: "unavailable" });
      await thing.get(key);
      client.inject({ verbs: ["patch"], error: "too_many_requests", retryAfterMs: 7 });
    }
    await expect(thing.patch(key, {}, { type: "merge" })).rejects.toMatchObject({ retryAfterMs: 7 });
    using _rare = client.inject({ verbs: ["get"], rate: 0.5, error: "internal" });
    await thing.get(key);
    expect(client.hits).toBe(2);
    expect(() => client.inject({ rate: 2 })).toThrow(/rate must be from 0 to 1, got 2/);
  });

  it("carries a write out whose answer it loses", async () => {
    using _fault = client.inject({ verbs: ["create"], loseAnswer: true });
    await expect(thing.create({ metadata: key })).rejects.toMatchObject({ code: "unavailable" });
    expect(api.objects()).toHaveLength(1);
  });

  it("holds requests back, for ever if told so", async () => {
    using _fault = client.inject({ latencyMs: 5_000, times: 1 });
    const slow = thing.create({ metadata: key });
    await clock.advance(4_999);
    expect(api.objects()).toHaveLength(0);
    await clock.advance(1);
    await slow;
    using _hang = client.inject({ latencyMs: Number.POSITIVE_INFINITY });
    const hanging = expect(thing.get(key)).rejects.toMatchObject({ code: "timeout" });
    await clock.advance(30_000);
    await hanging;
    const stop = new AbortController();
    const cancelled = expect(thing.get(key, { signal: stop.signal })).rejects.toMatchObject({ code: "cancelled" });
    stop.abort();
    await cancelled;
  });

  it("drops watches, which an informer survives", async () => {
    client.inject({ verbs: ["watch"], dropAfterEvents: 1, times: 3 });
    const informer = createInformer(thing, { namespace: "lab", clock });
    const stop = new AbortController();
    informer.start(stop.signal);
    await informer.synced();
    for (const name of ["a", "b", "c", "d"]) api.put({ metadata: { namespace: "lab", name } });
    await eventually(
      () => informer.list().length === 4,
      () => clock.advance(1_000),
    );
    expect(client.hits).toBeGreaterThan(1);
    stop.abort();
  });
});
