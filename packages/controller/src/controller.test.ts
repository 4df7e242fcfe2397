import { createApiServer, type ApiServer } from "@almanac/apiserver";
import { stack } from "@almanac/catalog";
import { createInstruments } from "@almanac/metrics";
import {
  bearerToken,
  createFaultyClient,
  createInformer,
  createKubeClient,
  createLeaderElector,
  KubeError,
  type Informer,
  type KubeClient,
  type KubeObject,
  type OwnerReference,
  type ResourceClient,
} from "@almanac/kube";
import { createVirtualClock, type VirtualClock } from "@almanac/testkit";
import { context as contexts, ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createController, type Controller, type ControllerOptions, type Reconciled } from "./controller.ts";
import { annotationsChanged, generationChanged } from "./predicates.ts";
import { again, done, failure, terminal } from "./result.ts";
import { runControllers } from "./run-controllers.ts";
import { ownerRequests, watch } from "./watches.ts";

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

const namespace = "default";
const secrets = { group: "", version: "v1", plural: "secrets", kind: "Secret", namespaced: true };
const spans = new InMemorySpanExporter();
const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });

let api: ApiServer;
let client: KubeClient;
let maps: ResourceClient<ConfigMap>;
let clock: VirtualClock;
let stop: AbortController;
let informer: Informer<ConfigMap>;
let running: Promise<void> = Promise.resolve();

beforeAll(() => {
  contexts.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => contexts.disable());
beforeEach(async () => {
  api = await createApiServer();
  client = createKubeClient({ server: api.url, auth: bearerToken(api.token) });
  maps = client.resource<ConfigMap>({
    group: "",
    version: "v1",
    plural: "configmaps",
    kind: "ConfigMap",
    namespaced: true,
  });
  clock = createVirtualClock();
  stop = new AbortController();
  informer = createInformer(maps, { namespace });
  spans.reset();
});
afterEach(async () => {
  stop.abort(new Error("the test is over"));
  await clock.advance(60_000);
  await running.catch(() => {});
  client[Symbol.dispose]();
  await api.close();
});

function controllerWith(
  options: Partial<ControllerOptions<ConfigMap>> & Pick<ControllerOptions<ConfigMap>, "reconcile">,
): Controller {
  return createController<ConfigMap>({
    name: "configmap",
    informer,
    telemetry: { tracerProvider },
    clock,
    random: () => 0,
    ...options,
  });
}

function run(...controllers: Controller[]): Promise<void> {
  running = runControllers({ controllers, signal: stop.signal });
  // Looked at by whoever wants to; the end of a test must not be an unhandled rejection.
  running.catch(() => {});
  return informer.synced();
}

async function eventually(condition: () => boolean, step: () => Promise<void> = async () => {}): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error("the condition did not come true within 10 s");
    await step();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const reconciles = (): ReturnType<typeof spans.getFinishedSpans> =>
  spans.getFinishedSpans().filter(({ name }) => name.startsWith("reconcile "));

const create = (name: string, metadata: Partial<ConfigMap["metadata"]> = {}): Promise<ConfigMap> =>
  maps.create({ metadata: { namespace, name, ...metadata } });

describe("createController", () => {
  it.each([
    { concurrency: 0 },
    { concurrency: 1.5 },
    { stuckAfterMs: Number.NaN },
    { lendAfterMs: -1 },
    { resyncMs: 0 },
    { name: "" },
  ])("refuses %j", (options) => {
    expect(() => controllerWith({ reconcile: () => Promise.resolve(done()), ...options })).toThrow(
      /invalid_options.*must be/,
    );
  });

  it("reconciles what is there and what changes, and tells how it went", async () => {
    await create("a");
    const told: Reconciled[] = [];
    const seen: string[] = [];
    const controller = controllerWith({
      reconcile: (request) => {
        seen.push(
          `${request.namespace}/${request.name} ${informer.get(request.namespace, request.name) === undefined ? "gone" : "there"}`,
        );
        return Promise.resolve(done());
      },
      onReconciled: (reconciled) => told.push(reconciled),
    });
    await run(controller);
    await eventually(() => seen.length === 1);
    await create("b");
    await eventually(() => seen.length === 2);
    await maps.delete({ namespace, name: "a" });
    await eventually(() => seen.length === 3);
    expect(seen).toEqual(["default/a there", "default/b there", "default/a gone"]);
    expect(told[0]).toMatchObject({ request: { namespace, name: "a" }, outcome: "success", durationSeconds: 0 });
    expect(controller.kind).toBe("ConfigMap");
  });

  it("turns results and errors into outcomes, retries and back-off", async () => {
    await create("a");
    const results = [
      () => Promise.reject(new Error("no connection")),
      () => Promise.reject(new Error("no connection")),
      () => Promise.resolve(failure(new Error("refused"))),
      () => Promise.resolve(failure(new Error("refused"), { afterMs: 7_000 })),
      () => Promise.resolve(again(9_000)),
      () => Promise.resolve(terminal(new Error("never"))),
      () => Promise.resolve(done()),
    ];
    const log: string[] = [];
    let tries = 0;
    let startedAt = 0;
    const controller = controllerWith({
      reconcile: (_request, context) => {
        const waited = clock.monotonic() - startedAt;
        startedAt = clock.monotonic();
        log.push(`${tries === 0 ? 0 : waited} ms, ${context.retries} retries`);
        return results[tries++]!();
      },
      onReconciled: ({ outcome }) => log.push(outcome),
    });
    await run(controller);
    // In steps that divide every delay, so that none is measured too long.
    await eventually(
      () => tries === 6,
      () => clock.advance(tries < 4 ? 1 : 500),
    );
    expect(log).toEqual([
      "0 ms, 0 retries", "error",
      "5 ms, 1 retries", "error",
      "10 ms, 2 retries", "failure",
      "20 ms, 3 retries", "failure",
      "7000 ms, 0 retries", "success",
      "9000 ms, 0 retries", "failure",
    ]); // prettier-ignore
    await clock.advance(10_000_000);
    expect(tries).toBe(6);
    controller.enqueue({ namespace, name: "a" });
    await eventually(() => tries === 7);
  });

  it("survives a reconcile that throws at once, returns nothing, or waits for NaN", async () => {
    const outcomes: string[] = [];
    const broken = [
      (): never => {
        throw new Error("synchronous");
      },
      () => Promise.resolve(undefined as never),
      () => Promise.resolve().then(() => again(Number.NaN)),
      () => Promise.resolve(done()),
    ];
    let tries = 0;
    const controller = controllerWith({
      reconcile: () => broken[tries++]!(),
      onReconciled: ({ outcome }) => {
        outcomes.push(outcome);
        throw new Error("a broken listener");
      },
    });
    await run(controller);
    await create("a");
    await eventually(
      () => outcomes.length === 4,
      () => clock.advance(5),
    );
    expect(outcomes).toEqual(["error", "error", "error", "success"]);
  });

  it("never reconciles one object twice at once, and many at the same time", async () => {
    const inWork = new Set<string>();
    let most = 0;
    let count = 0;
    const controller = controllerWith({
      concurrency: 4,
      reconcile: async ({ name }) => {
        expect(inWork.has(name)).toBe(false);
        inWork.add(name);
        most = Math.max(most, inWork.size);
        await new Promise((resolve) => setTimeout(resolve, 3));
        inWork.delete(name);
        count += 1;
        return done();
      },
    });
    await run(controller);
    const names = ["a", "b", "c", "d", "e", "f"];
    await Promise.all(names.map((name) => create(name)));
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        names.map((name) => maps.patch({ namespace, name }, { data: { round: String(round) } }, { type: "merge" })),
      );
    }
    await eventually(() => controller.depth === 0 && controller.working === 0 && count >= 6);
    expect(most).toBe(4);
  });

  it("goes on with others while a reconcile waits for a third party, and waits for it when it stops", async () => {
    const answer = Promise.withResolvers<void>();
    const log: string[] = [];
    const controller = controllerWith({
      lendAfterMs: 500,
      reconcile: async ({ name }, { lend }) => {
        log.push(`${name} begins`);
        if (name === "held") await lend(answer.promise);
        log.push(`${name} ends`);
        return done();
      },
    });
    await run(controller);
    await create("held");
    await eventually(() => log.length === 1);
    await create("other");
    await eventually(() => controller.depth === 1);
    await clock.advance(499);
    expect(log).toEqual(["held begins"]);
    await clock.advance(1);
    await eventually(() => log.length === 3);
    stop.abort(new Error("stop"));
    await clock.advance(1_000);
    answer.resolve();
    await running;
    expect(log).toEqual(["held begins", "other begins", "other ends", "held ends"]);
    expect(clock.pending).toBe(0);
  });

  it("looks at an object again when it is woken, within its reconcile and after it", async () => {
    await create("a");
    const wakes: (() => void)[] = [];
    const priorities: string[] = [];
    const controller = controllerWith({
      reconcile: (_, { wake, priority }) => {
        priorities.push(priority);
        wakes.push(wake);
        if (wakes.length === 2) wake();
        return Promise.resolve(again(3_600_000));
      },
    });
    await run(controller);
    await eventually(() => wakes.length === 1);
    wakes[0]?.();
    wakes[0]?.();
    await eventually(() => wakes.length === 3);
    expect(priorities).toEqual(["low", "low", "low"]);
    stop.abort(new Error("stop"));
    await running;
    wakes[0]?.();
    expect(clock.pending).toBe(0);
  });

  it("tells what nobody asked for from what someone changed", async () => {
    await create("a");
    const log: string[] = [];
    const controller = controllerWith({
      reconcile: (_, { priority }) => {
        log.push(priority);
        return Promise.resolve(log.length === 1 ? again(1_000, { priority: "low" }) : again(2_000));
      },
    });
    await run(controller);
    await eventually(() => log.length === 1);
    await clock.advance(1_000);
    await eventually(() => log.length === 2);
    await clock.advance(2_000);
    await eventually(() => log.length === 3);
    await create("b");
    await eventually(() => log.length === 4);
    expect(log).toEqual(["low", "low", "normal", "normal"]);
  });

  it("asks predicates, ignores annotations it is told to, and reconciles all at the resync period", async () => {
    let count = 0;
    const controller = controllerWith({
      predicates: [annotationsChanged({ ignore: ["almanac.dev/traceparent"] })],
      resyncMs: 60_000,
      reconcile: () => {
        count += 1;
        return Promise.resolve(done());
      },
    });
    await run(controller);
    await create("a");
    await eventually(() => count === 1);
    await maps.patch(
      { namespace, name: "a" },
      { metadata: { annotations: { "almanac.dev/traceparent": "00-…" } } },
      { type: "merge" },
    );
    await maps.patch({ namespace, name: "a" }, { data: { x: "1" } }, { type: "merge" });
    await maps.patch({ namespace, name: "a" }, { metadata: { annotations: { note: "1" } } }, { type: "merge" });
    await eventually(() => count === 2);
    await eventually(() => informer.get(namespace, "a")?.metadata.annotations?.["note"] === "1");
    await clock.advance(60_000);
    await eventually(() => count === 3);
  });

  it("resyncs with low priority, after its period and a tenth more at most", async () => {
    await create("a");
    const log: string[] = [];
    const controller = controllerWith({
      resyncMs: 60_000,
      random: () => 0.5,
      reconcile: (_, { priority }) => {
        log.push(`${priority} ${clock.monotonic() - startedAtMs}`);
        return Promise.resolve(done());
      },
    });
    const startedAtMs = clock.monotonic();
    await run(controller);
    await eventually(() => log.length === 1);
    await create("b");
    await eventually(() => log.length === 2);
    log.length = 0;
    for (let ms = 0; ms < 130_000; ms += 1_000) {
      await clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => log.length === 4);
    expect(log).toEqual(["low 63000", "low 63000", "low 126000", "low 126000"]);
  });

  it("reconciles owners of what it watches, also of what left them", async () => {
    const seen: string[] = [];
    const secrets = createInformer(
      client.resource<KubeObject>({ group: "", version: "v1", plural: "secrets", kind: "Secret", namespaced: true }),
    );
    const controller = controllerWith({
      predicates: [generationChanged()],
      watches: [watch(secrets, { map: ownerRequests("ConfigMap", { apiGroup: "" }) })],
      reconcile: ({ name }) => {
        seen.push(name);
        return Promise.resolve(done());
      },
    });
    await run(controller);
    await secrets.synced();
    const owner = async (name: string, controls = true): Promise<OwnerReference> => {
      const { uid = "" } = (await create(name)).metadata;
      return { apiVersion: "v1", kind: "ConfigMap", name, uid, controller: controls };
    };
    const [one, two, other] = [await owner("one"), await owner("two"), await owner("other", false)];
    await eventually(() => seen.length === 3);
    seen.length = 0;
    const children = client.resource<KubeObject>(secrets.definition);
    const child = { namespace, name: "child" };
    await children.create({ metadata: { ...child, ownerReferences: [one, other] } });
    await eventually(() => seen.length === 1);
    await children.patch(child, { data: { key: "b25jZQ==" } }, { type: "merge" });
    await eventually(() => seen.length === 2);
    await children.patch(child, { metadata: { ownerReferences: [two] } }, { type: "merge" });
    await eventually(() => seen.length === 4);
    await children.delete(child);
    await eventually(() => seen.length === 5);
    expect(seen).toEqual(["one", "one", "one", "two", "two"]);
  });

  it("looks once at an object of which many others change", async () => {
    const counts: number[] = [];
    const tokens = client.resource(secrets);
    const watched = createInformer(tokens, { namespace });
    const controller = controllerWith({
      predicates: [generationChanged()],
      watches: [watch(watched, { map: () => [{ namespace, name: "sum" }], batchMs: 1_000 })],
      reconcile: () => {
        counts.push(watched.list().length);
        return Promise.resolve(done());
      },
    });
    await run(controller);
    await watched.synced();
    await create("sum");
    await eventually(() => counts.length === 1);
    for (let made = 0; made < 5; made++) await tokens.create({ metadata: { namespace, generateName: "token-" } });
    await eventually(() => watched.list().length === 5);
    await clock.advance(999);
    expect(counts).toEqual([0]);
    await clock.advance(1);
    await eventually(() => counts.length === 2);
    await tokens.create({ metadata: { namespace, generateName: "token-" } });
    await eventually(() => watched.list().length === 6);
    await clock.advance(1_000);
    await eventually(() => counts.length === 3);
    expect(counts).toEqual([0, 5, 6]);
    expect(() => watch(watched, { map: () => [], batchMs: Number.NaN })).toThrow("batchMs must be a time");
  });

  it("reads its own writes", async () => {
    const values: (string | undefined)[] = [];
    const controller = controllerWith({
      reconcile: async ({ name }, context) => {
        const present = informer.get(namespace, name);
        if (present === undefined) return done();
        values.push(present.data?.["made"]);
        if (present.data?.["made"] !== undefined) return done();
        context.observe(await maps.patch({ namespace, name }, { data: { made: "yes" } }, { type: "merge" }));
        return again(0);
      },
    });
    await run(controller);
    await create("a");
    await eventually(() => values.includes("yes"));
    await eventually(() => controller.depth === 0 && controller.working === 0);
    expect(values.filter((value) => value === undefined)).toHaveLength(1);
  });

  it("refuses to observe an object of another kind, and says whose informer takes it", async () => {
    const controller = controllerWith({
      reconcile: async (_request, context) => {
        const token = await client.resource(secrets).create({ metadata: { namespace, generateName: "token-" } });
        context.observe(token);
        return done();
      },
    });
    await run(controller);
    await create("a");
    await eventually(() => reconciles().length > 0);
    expect(reconciles()[0]?.status.message).toMatch(
      /^\[invalid_options\] controller "configmap": .*ConfigMap \(v1\).* Secret \(v1\) default\/token-/,
    );
    expect(informer.list().map(({ metadata }) => metadata.name)).toEqual(["a"]);
  });

  it("creates what an object owns once, however late its watch tells", async () => {
    using faulty = createFaultyClient(client, { clock });
    faulty.inject({ verbs: ["watch"], resources: ["secrets"], latencyMs: 20_000 });
    const tokens = faulty.resource(secrets);
    const owned = createInformer(tokens, {
      namespace,
      labelSelector: "app=tokens",
      indexers: { owner: ({ metadata }) => (metadata.ownerReferences ?? []).map(({ uid }) => uid) },
    });
    let tries = 0;
    const controller = controllerWith({
      watches: [watch(owned, { map: ownerRequests("ConfigMap") })],
      concurrency: 4,
      reconcile: async ({ name }, { signal }) => {
        const map = informer.get(namespace, name);
        if (map === undefined) return done();
        tries += 1;
        const { uid = "" } = map.metadata;
        if (owned.byIndex("owner", uid).length > 0) return done();
        const metadata = {
          namespace,
          generateName: `${name}-`,
          labels: { app: "tokens" },
          ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name, uid, controller: true }],
        };
        owned.observe(await tokens.create({ metadata }, { signal }));
        return again(0);
      },
    });
    await run(controller);
    for (const name of ["a", "b", "c"]) await create(name);
    for (const step of ["1", "2", "3"]) {
      const before = tries;
      for (const name of ["a", "b", "c"]) await maps.patch({ namespace, name }, { data: { step } }, { type: "merge" });
      await eventually(() => tries >= before + 3 && controller.depth === 0 && controller.working === 0);
    }
    const made = async (): Promise<string[]> =>
      (await client.resource(secrets).list({ namespace })).items.map(({ metadata }) => metadata.generateName ?? "");
    expect(faulty.hits).toBe(1);
    expect(await made()).toEqual(["a-", "b-", "c-"]);
    // The watch opens, tells of all of them again, and of one that somebody deletes, which is made anew.
    await clock.advance(20_000);
    const ofA = (): KubeObject | undefined => owned.list().find(({ metadata }) => metadata.generateName === "a-");
    const first = ofA()!.metadata;
    await client.resource(secrets).delete(first);
    await eventually(() => ![undefined, first.name].includes(ofA()?.metadata.name));
    await eventually(() => controller.depth === 0 && controller.working === 0);
    expect(await made()).toEqual(["a-", "b-", "c-"]);
  });

  it("aborts a reconcile that takes too long, and says so", async () => {
    const outcomes: string[] = [];
    const controller = controllerWith({
      reconcileTimeoutMs: 5_000,
      reconcile: (_request, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(new Error("gave up")), { once: true }),
        ),
      onReconciled: ({ outcome }) => outcomes.push(outcome),
    });
    await run(controller);
    await create("a");
    await eventually(() => controller.working === 1);
    await clock.advance(5_000);
    await eventually(() => outcomes.length > 0);
    expect(outcomes[0]).toBe("error");
    expect(reconciles()[0]?.status.message).toBe("[reconcile_timeout] the reconcile was aborted: gave up");
  });

  it("asks again whether the object is its own, and aborts what is not before any signal says so", async () => {
    let current = true;
    const signal = new AbortController().signal;
    const hold = {
      signal,
      get current() {
        return current;
      },
      [Symbol.dispose]() {},
    };
    const checks: string[] = [];
    const partition = { owns: () => true, enter: () => hold, onGain: () => ({ [Symbol.dispose]() {} }) };
    const controller = controllerWith({
      partition,
      reconcile(_request, context) {
        for (const now of [true, false]) {
          current = now;
          try {
            context.assertCurrent();
            checks.push("may act");
          } catch (error) {
            checks.push(`${(error as KubeError).code} ${context.signal.aborted}`);
          }
        }
        return Promise.resolve(done());
      },
    });
    await maps.create({ metadata: { name: "a", namespace } });
    await run(controller);
    await eventually(() => checks.length === 2);
    expect(checks).toEqual(["may act", "leadership_lost true"]);
  });

  it("is unhealthy while a reconcile is stuck", async () => {
    let release: () => void = () => {};
    const controller = controllerWith({
      stuckAfterMs: 60_000,
      reconcile: () => new Promise((resolve) => (release = () => resolve(done()))),
    });
    expect(controller.health()).toBe(true);
    await run(controller);
    await create("a");
    await eventually(() => controller.working === 1);
    await clock.advance(60_000);
    expect(controller.health()).toBe(true);
    await clock.advance(1_000);
    expect(controller.health()).toBe("controller configmap: a reconcile has been running for 61 s");
    release();
    await eventually(() => controller.health() === true);
  });
});

describe("a controller's spans", () => {
  it("are roots with what was reconciled, how long it waited and how it ended", async () => {
    let active: string | undefined;
    const controller = controllerWith({
      reconcile: (_request, { span }) => {
        active = trace.getActiveSpan()?.spanContext().spanId;
        expect(span.spanContext().spanId).toBe(active);
        return Promise.resolve(done());
      },
    });
    await run(controller);
    await create("a");
    await eventually(() => reconciles().length === 1);
    const [span] = reconciles();
    expect(span).toMatchObject({
      name: "reconcile ConfigMap",
      parentSpanContext: undefined,
      links: [],
      attributes: {
        "k8s.namespace.name": namespace,
        "k8s.object.name": "a",
        "k8s.object.kind": "ConfigMap",
        "almanac.reconcile.queue_wait_seconds": 0,
        "almanac.reconcile.retries": 0,
        "almanac.reconcile.result": "done",
        "almanac.reconcile.outcome": "success",
      },
    });
    expect(active).toBe(span?.spanContext().spanId);
    // What led to it is below it.
    const before = spans.getFinishedSpans().filter(({ name }) => name !== "reconcile ConfigMap");
    expect(before.map(({ name, parentSpanContext }) => [name, parentSpanContext?.spanId])).toEqual([
      ["watch add ConfigMap", active],
      ["queue ConfigMap", active],
    ]);
  });

  it("are not kept by what waits for the next look", async () => {
    const kept: unknown[] = [];
    const controller = controllerWith({
      reconcile: () => Promise.resolve(again(12_345)),
      clock: {
        ...clock,
        setTimeout(callback, delayMs, options) {
          if (delayMs === 12_345) kept.push(trace.getActiveSpan());
          return clock.setTimeout(callback, delayMs, options);
        },
      },
    });
    await run(controller);
    await create("a");
    await eventually(() => kept.length === 1);
    expect(kept).toEqual([undefined]);
  });

  it("leave out what led to a periodic look", async () => {
    let looks = 0;
    const controller = controllerWith({ reconcile: () => Promise.resolve(looks++ === 0 ? again(1_000) : done()) });
    await run(controller);
    await create("a");
    await eventually(
      () => looks === 2,
      () => clock.advance(1_000),
    );
    await eventually(() => reconciles().length === 2);
    expect(spans.getFinishedSpans().filter(({ name }) => name === "queue ConfigMap")).toHaveLength(1);
  });

  it("continue the trace of an operation and link to the try before", async () => {
    const operation = {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      traceFlags: TraceFlags.SAMPLED,
    };
    let tries = 0;
    const controller = controllerWith({
      parentContext: (object) =>
        object.metadata.annotations?.["operation"] === undefined
          ? undefined
          : trace.setSpanContext(ROOT_CONTEXT, operation),
      links: () => [{ context: operation }],
      reconcile: () => (tries++ === 0 ? Promise.reject(new TypeError("broken")) : Promise.resolve(done())),
    });
    await run(controller);
    await create("a", { annotations: { operation: "yes" } });
    await eventually(
      () => reconciles().length === 2,
      () => clock.advance(5),
    );
    const [first, second] = reconciles();
    expect(first?.parentSpanContext?.spanId).toBe(operation.spanId);
    expect(first?.spanContext().traceId).toBe(operation.traceId);
    expect(first?.status).toMatchObject({ message: "broken" });
    expect(first?.links).toHaveLength(1);
    expect(second?.links.map((link) => link.context.spanId)).toEqual([operation.spanId, first?.spanContext().spanId]);
    // In an operation's trace, what led to a reconcile stands beside it.
    const beside = spans
      .getFinishedSpans()
      .filter(({ name }) => name === "watch add ConfigMap" || name.startsWith("queue"));
    expect(beside.map(({ name }) => name)).toEqual(["watch add ConfigMap", "queue ConfigMap", "queue ConfigMap"]);
    expect(beside.every(({ parentSpanContext }) => parentSpanContext?.spanId === operation.spanId)).toBe(true);
  });
});

describe("runControllers", () => {
  it("lets reconciles end before the informers stop", async () => {
    const log: string[] = [];
    const controller = controllerWith({
      reconcile: async (_request, { signal }) => {
        stop.abort(new Error("stop"));
        // The informer still follows the server.
        await create("late");
        await eventually(() => informer.get(namespace, "late") !== undefined);
        log.push(`reconciled ${signal.aborted ? "aborted" : "in peace"}`);
        return done();
      },
    });
    await create("a");
    await create("b");
    await run(controller);
    await running;
    expect(log).toEqual(["reconciled in peace"]);
    expect(clock.pending).toBe(0);
  });

  it("aborts reconciles at the end of the drain, and reports those that ignore it", async () => {
    const reasons: unknown[] = [];
    const controller = controllerWith({
      drainMs: 10_000,
      abandonMs: 2_000,
      reconcile: (_request, { signal }) =>
        new Promise(() => signal.addEventListener("abort", () => reasons.push(signal.reason), { once: true })),
    });
    await run(controller);
    await create("a");
    await eventually(() => controller.working === 1);
    stop.abort(new Error("stop"));
    await clock.advance(9_999);
    expect(reasons).toEqual([]);
    await clock.advance(1);
    expect(reasons).toEqual([expect.objectContaining({ message: "stop" })]);
    await clock.advance(2_000);
    await expect(running).rejects.toMatchObject({ code: "drain_timeout" });
  });

  it("runs them again in another term, and aborts at once when leadership is lost", async () => {
    const telemetry = { tracerProvider, stack: createInstruments(stack, new MeterProvider()) };
    const log: string[] = [];
    const controller = controllerWith({
      telemetry,
      reconcile: ({ name }, { signal }) => {
        log.push(`reconcile ${name}`);
        return new Promise((_resolve, reject) =>
          signal.addEventListener(
            "abort",
            () => {
              log.push(signal.reason instanceof KubeError ? signal.reason.code : "other");
              reject(signal.reason as Error);
            },
            { once: true },
          ),
        );
      },
    });
    let lose: (error: Error) => void = () => {};
    const elector = {
      identity: "me",
      leading: true,
      // Two terms, the first of which is lost: the part of an elector that matters here.
      async run(
        signal: AbortSignal,
        lead: (signal: AbortSignal, term: { transitions: number; identity: string }) => Promise<void>,
      ) {
        for (const transitions of [0, 1]) {
          const term = new AbortController();
          lose = (error) => term.abort(error);
          await lead(AbortSignal.any([signal, term.signal]), { transitions, identity: "me" });
        }
      },
    };
    await create("a");
    running = runControllers({ controllers: [controller], leaderElection: elector, signal: stop.signal });
    await eventually(() => log.length >= 1 && controller.working > 0);
    const first = log.length;
    lose(new KubeError("leadership_lost", "lost"));
    await eventually(() => log.length > first && controller.working > 0 && log.includes("leadership_lost"));
    expect(log.filter((line) => line === "reconcile a")).toHaveLength(2);
    lose(new KubeError("leadership_lost", "lost"));
    await running;
  });

  it("leads with a Lease and releases it after the drain", async () => {
    const elector = createLeaderElector(client, { namespace, name: "manager", identity: "me" });
    const leases = client.resource<KubeObject & { spec?: { holderIdentity?: string } }>({
      group: "coordination.k8s.io",
      version: "v1",
      plural: "leases",
      kind: "Lease",
      namespaced: true,
    });
    let holder: string | undefined;
    const controller = controllerWith({
      reconcile: async () => {
        stop.abort(new Error("stop"));
        await new Promise((resolve) => setTimeout(resolve, 20));
        holder = (await leases.get({ namespace, name: "manager" })).spec?.holderIdentity;
        return done();
      },
    });
    await create("a");
    running = runControllers({ controllers: [controller], leaderElection: elector, signal: stop.signal });
    await running;
    expect(holder).toBe("me");
    expect((await leases.get({ namespace, name: "manager" })).spec?.holderIdentity ?? "").toBe("");
  });

  it("resolves at once when it is stopped before the informers are complete", async () => {
    stop.abort(new Error("stop"));
    await runControllers({
      controllers: [controllerWith({ reconcile: () => Promise.resolve(done()) })],
      signal: stop.signal,
    });
  });
});
