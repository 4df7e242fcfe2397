import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { context, trace } from "@opentelemetry/api";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { virtrigaud } from "@almanac/catalog";
import { sleep } from "@almanac/core";
import { startTelemetry, type Telemetry } from "@almanac/telemetry";
import { createVirtualClock, type VirtualClock } from "@almanac/testkit";
import { ProviderError } from "./error.ts";
import { createTaskStore, type TaskStore, type TaskStoreOptions } from "./task-store.ts";

let telemetry: Telemetry;
let clock: VirtualClock;
let directory: string;
const stores: TaskStore[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "task-store-"));
  clock = createVirtualClock();
  telemetry = await startTelemetry({
    serviceName: "virtrigaud-provider",
    owner: "provider",
    catalogs: [virtrigaud],
    metrics: {},
    logs: { level: "error" },
    known: { provider_type: ["mock"], provider: ["lab"] },
    env: {},
  });
});
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
  await telemetry.shutdown();
  rmSync(directory, { recursive: true, force: true });
});

function open(options: Partial<TaskStoreOptions> = {}): TaskStore {
  const store = createTaskStore({ telemetry, providerType: "mock", providerName: "lab", clock, ...options });
  stores.push(store);
  return store;
}

async function inflight(): Promise<string | undefined> {
  const page = await (await fetch(`${telemetry.metricsUrl}/metrics`)).text();
  return /^virtrigaud_provider_tasks_inflight\{.*\} (\S+)$/m.exec(page)?.[1];
}

describe("createTaskStore", () => {
  it("runs a task to its end, polled or not, and the inflight gauge comes back to 0", async () => {
    const store = open();
    expect(await inflight()).toBe("0");
    const { id } = store.start({ operation: "CreateVM", run: (signal) => sleep(100, { signal, clock }) });
    store.start({ operation: "DeleteVM", run: () => Promise.reject(new ProviderError("ABORTED", "no")) });
    expect(store.status(id)).toEqual({ done: false, error: "" });
    expect(await inflight()).toBe("1");
    await clock.advance(100);
    expect(store.status(id)).toEqual({ done: true, error: "" });
    expect(store.running).toEqual([]);
    expect(await inflight()).toBe("0");
  });

  it("ends a task as failed with the text of a ProviderError, and without that of anything else", async () => {
    const store = open();
    const known = store.start({
      operation: "PowerVM",
      run: () => Promise.reject(new ProviderError("RESOURCE_EXHAUSTED", "no room on host 3")),
    });
    const unknown = store.start({ operation: "PowerVM", run: () => Promise.reject(new Error("password is hunter2")) });
    const thrown = store.start({
      operation: "PowerVM",
      run: () => {
        throw new TypeError("oops");
      },
    });
    await clock.advance(0);
    expect(store.status(known.id)).toEqual({ done: true, error: "no room on host 3" });
    expect(store.status(unknown.id)).toEqual({ done: true, error: "internal error of the provider" });
    expect(store.status(thrown.id).error).toBe("internal error of the provider");
  });

  it("tells an unknown task from a failed one", () => {
    expect(() => open().status("task-x")).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  });

  it("keeps an ended task readable for an hour", async () => {
    const store = open();
    const { id } = store.start({ operation: "PowerVM", run: () => Promise.resolve() });
    await clock.advance(3_599_999);
    expect(store.status(id).done).toBe(true);
    await clock.advance(1);
    expect(() => store.status(id)).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  });

  it("forgets the oldest ended tasks beyond its bound and refuses more running ones", async () => {
    const store = open({ maxEnded: 2, maxRunning: 3 });
    const ids: string[] = [];
    for (let count = 0; count < 4; count++) {
      ids.push(store.start({ operation: "PowerVM", run: () => Promise.resolve() }).id);
      await clock.advance(1);
    }
    expect(() => store.status(ids[0] ?? "")).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
    expect(store.status(ids[3] ?? "").done).toBe(true);

    const wait = { operation: "PowerVM", run: (signal: AbortSignal) => sleep(1000, { signal, clock }) };
    for (let count = 0; count < 3; count++) store.start(wait);
    expect(() => store.start(wait)).toThrow(expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }));
  });

  it("tells of an end before anybody can read it", async () => {
    const seen: [string, string, boolean][] = [];
    const store: TaskStore = open({
      onEnded: (task, error) => seen.push([task.operation, error, store.status(task.id).done]),
    });
    store.start({ operation: "CreateVM", run: () => Promise.resolve() });
    await clock.advance(0);
    expect(seen).toEqual([["CreateVM", "", false]]);
  });

  it("refuses tasks after it was closed", async () => {
    const store = open();
    await store.close();
    expect(() => store.start({ operation: "PowerVM", run: () => Promise.resolve() })).toThrow(
      expect.objectContaining({ code: "UNAVAILABLE" }),
    );
  });

  it("resumes after a restart what was running, with its input, and still knows what had ended", async () => {
    const first = open({ directory });
    const ended = first.start({ operation: "CreateVM", run: () => Promise.resolve() });
    const failed = first.start({
      operation: "CreateVM",
      run: () => Promise.reject(new ProviderError("ABORTED", "no")),
    });
    const running = first.start({
      operation: "PowerVM",
      input: { vm: "vm-1" },
      run: (signal) => sleep(1000, { signal, clock }),
    });
    await clock.advance(1);
    await first.close();
    expect(await inflight()).toBe("0");

    const inputs: unknown[] = [];
    const second = open({
      directory,
      onInterrupted: ({ id, operation, input }) => {
        inputs.push([id, operation, input]);
        return { resume: (signal) => sleep(500, { signal, clock }) };
      },
    });
    expect(inputs).toEqual([[running.id, "PowerVM", { vm: "vm-1" }]]);
    expect(second.status(ended.id)).toEqual({ done: true, error: "" });
    expect(second.status(failed.id)).toEqual({ done: true, error: "no" });
    expect(second.status(running.id)).toEqual({ done: false, error: "" });
    expect(await inflight()).toBe("1");
    await clock.advance(500);
    expect(second.status(running.id)).toEqual({ done: true, error: "" });
    expect(await inflight()).toBe("0");
  });

  it("fails what was running at a restart when nobody can resume it", async () => {
    const first = open({ directory });
    const { id } = first.start({ operation: "PowerVM", run: (signal) => sleep(1000, { signal, clock }) });
    await first.close();
    expect(open({ directory }).status(id)).toEqual({
      done: true,
      error: "PowerVM was interrupted by a restart of the provider",
    });
  });
});

describe("a task's span", () => {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });

  it("is a child of the RPC that started it, also after a restart, and says when the task failed", async () => {
    const traced: Telemetry = { ...telemetry, tracerProvider };
    const rpc = tracerProvider.getTracer("test").startSpan("CreateVM");
    const first = open({ directory, telemetry: traced });
    context.with(trace.setSpan(context.active(), rpc), () => {
      first.start({ operation: "CreateVM", run: (signal) => sleep(1000, { signal, clock }) });
    });
    await first.close();
    open({
      directory,
      telemetry: traced,
      onInterrupted: () => ({ resume: () => Promise.reject(new ProviderError("ABORTED", "gone")) }),
    });
    await clock.advance(0);
    const spans = exporter.getFinishedSpans().filter(({ name }) => name === "task CreateVM");
    expect(spans.map((span) => span.parentSpanContext?.spanId)).toEqual([
      rpc.spanContext().spanId,
      rpc.spanContext().spanId,
    ]);
    expect(spans.map((span) => span.spanContext().traceId)).toEqual([
      rpc.spanContext().traceId,
      rpc.spanContext().traceId,
    ]);
    expect(spans[1]?.status.message).toBe("gone");
  });
});
