import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createVirtualClock, type VirtualClock } from "@almanac/testkit";
import { createEventRecorder, type EventRecorder, type ObjectEvent } from "./event-recorder.ts";
import { eventually, startFlakyApi, type FlakyApi } from "./flaky-api.test.support.ts";
import type { KubeObject, ResourceDefinition } from "./objects.ts";

const eventResource: ResourceDefinition = {
  group: "",
  version: "v1",
  plural: "events",
  kind: "Event",
  namespaced: true,
};
const vm: KubeObject = {
  apiVersion: "x/v1",
  kind: "VirtualMachine",
  metadata: { namespace: "lab", name: "vm1", uid: "u1", resourceVersion: "7" },
};
const created: ObjectEvent = { type: "Normal", reason: "Created", message: "the machine was created" };

let api: FlakyApi;
let clock: VirtualClock;
let recorder: EventRecorder;
beforeEach(async () => {
  api = await startFlakyApi();
  clock = createVirtualClock();
  recorder = createEventRecorder(api.client({ clock }), { component: "tester", clock });
});
afterEach(async () => {
  await recorder[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
});

interface Recorded extends KubeObject {
  readonly message: string;
  readonly count: number;
}
const events = (): Recorded[] => api.objects(eventResource) as Recorded[];

describe("createEventRecorder", () => {
  it("writes an Event that says who, what and when", async () => {
    recorder.record(vm, created);
    await recorder.flush();
    expect(events()).toHaveLength(1);
    expect(events()[0]).toMatchObject({
      apiVersion: "v1",
      kind: "Event",
      metadata: { namespace: "lab", name: expect.stringMatching(/^vm1\.[0-9a-f]+$/) as string },
      involvedObject: {
        apiVersion: "x/v1",
        kind: "VirtualMachine",
        namespace: "lab",
        name: "vm1",
        uid: "u1",
        resourceVersion: "7",
      },
      ...created,
      source: { component: "tester" },
      count: 1,
      firstTimestamp: "2026-01-01T00:00:00Z",
      lastTimestamp: "2026-01-01T00:00:00Z",
    });
  });

  it("counts the same event instead of writing it again, and writes anew when it expired", async () => {
    recorder.record(vm, created);
    await recorder.flush();
    await clock.advance(60_000);
    recorder.record(vm, created);
    recorder.record(vm, created);
    await recorder.flush();
    expect(events()).toHaveLength(1);
    expect(events()[0]).toMatchObject({
      count: 3,
      firstTimestamp: "2026-01-01T00:00:00Z",
      lastTimestamp: "2026-01-01T00:01:00Z",
    });
    api.remove("lab", events()[0]!.metadata.name, eventResource);
    recorder.record(vm, created);
    await recorder.flush();
    expect(events()).toMatchObject([{ count: 1 }]);
  });

  it("counts events that differ in their notes only, and shows the latest note", async () => {
    recorder.record(vm, { ...created, note: "[trace 1]" });
    await recorder.flush();
    recorder.record(vm, { ...created, message: created.message, note: "[trace 2]" });
    await recorder.flush();
    expect(events().map(({ message, count }) => [message, count])).toEqual([["the machine was created [trace 2]", 2]]);
    recorder.record(vm, { ...created, message: "é".repeat(600), note: "[trace 3]" });
    await recorder.flush();
    const long = events()[1]?.message ?? "";
    expect(Buffer.byteLength(long)).toBeLessThanOrEqual(1024);
    expect(long).toMatch(/é… \[trace 3\]$/);
  });

  it("makes one of many similar events and limits those of one object", async () => {
    for (let index = 0; index < 100; index++) recorder.record(vm, { ...created, message: `attempt ${index}` });
    const other = { ...vm, metadata: { ...vm.metadata, name: "vm2", uid: "u2" } };
    recorder.record(other, created);
    await recorder.flush();
    const mine = events().filter((event) => event.metadata.name.startsWith("vm1"));
    expect(mine).toHaveLength(11);
    expect(mine.at(-1)).toMatchObject({ message: "(combined from similar events): attempt 24", count: 15 });
    expect(events()).toHaveLength(12);
    await clock.advance(300_000);
    recorder.record(vm, { ...created, message: "later" });
    recorder.record(vm, { ...created, message: "too many" });
    await recorder.flush();
    expect(mine.at(-1)?.metadata.name).toBe(events().find((event) => event.message.endsWith("later"))?.metadata.name);
  });

  it("cuts long messages at whole characters", async () => {
    recorder.record(vm, { ...created, message: "ü".repeat(2_000) });
    await recorder.flush();
    const { message } = events()[0]!;
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(1_024);
    expect(message).toMatch(/^ü+…$/);
  });

  it("tries again while the server is not available, and gives up on what it refuses", async () => {
    let failures = 2;
    api.fault = () => (failures-- > 0 ? { type: "status", status: 503 } : undefined);
    recorder.record(vm, created);
    await eventually(
      () => events().length === 1,
      () => clock.advance(1_000),
    );
    api.fault = () => ({ type: "status", status: 403 });
    recorder.record(vm, { ...created, reason: "Deleted" });
    await recorder.flush();
    expect(events()).toHaveLength(1);
  });

  it("keeps a bounded number and never throws", async () => {
    api.fault = () => ({ type: "hang" });
    const small = createEventRecorder(api.client({ clock }), { component: "small", clock, maxQueued: 5 });
    for (let index = 0; index < 20; index++)
      small.record({ ...vm, metadata: { ...vm.metadata, name: `vm${index}`, uid: `u${index}` } }, created);
    small.record(undefined as unknown as KubeObject, created);
    await eventually(() => api.seen.length === 1);
    api.fault = () => undefined;
    await eventually(
      () => events().length === 6,
      () => clock.advance(10_000),
    );
    expect(events().map((event) => event.metadata.name.split(".")[0])).toEqual(
      expect.arrayContaining(["vm16", "vm17", "vm18", "vm19"]),
    );
  });

  it("gives up after five seconds when it is closed while nobody answers", async () => {
    api.fault = () => ({ type: "hang" });
    recorder.record(vm, created);
    await eventually(() => api.seen.length === 1);
    let closed = false;
    void recorder[Symbol.asyncDispose]().then(() => (closed = true));
    await clock.advance(4_999);
    expect(closed).toBe(false);
    await clock.advance(1);
    await eventually(() => closed);
  });
});
