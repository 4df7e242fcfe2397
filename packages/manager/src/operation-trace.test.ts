import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ExportResultCode } from "@opentelemetry/core";
import type { ExportResult } from "@opentelemetry/core";
import { SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { bearerToken, createKubeClient } from "@almanac/kube";
import type { KubeObject } from "@almanac/kube";
import type { Telemetry } from "@almanac/telemetry";
import { aroundEach, describe, expect, it } from "vitest";
import {
  condition,
  createWorld,
  eventsOf,
  isCurrent,
  until,
  untilReady,
  withOwnWorlds,
  type World,
} from "./world.test.helper.ts";

aroundEach(withOwnWorlds);

interface Line {
  readonly process: string;
  readonly name: string;
  readonly kind: number;
  readonly trace: string;
  readonly id: string;
  readonly parent: string | undefined;
  readonly links: readonly string[];
  readonly attributes: Record<string, unknown>;
}

/** One process' telemetry whose spans go to `file`, a JSON object a line. */
function traced(telemetry: Telemetry, name: string, file: string): Telemetry {
  const exporter: SpanExporter = {
    export(spans: ReadableSpan[], done: (result: ExportResult) => void) {
      for (const span of spans) {
        const line: Line = {
          process: name,
          name: span.name,
          kind: span.kind,
          trace: span.spanContext().traceId,
          id: span.spanContext().spanId,
          parent: span.parentSpanContext?.spanId,
          links: span.links.map(({ context }) => context.traceId),
          attributes: span.attributes,
        };
        appendFileSync(file, `${JSON.stringify(line)}\n`);
      }
      done({ code: ExportResultCode.SUCCESS });
    },
    shutdown: () => Promise.resolve(),
  };
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  return { ...telemetry, tracerProvider };
}

function readSpans(file: string): Line[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

/** Starts a manager called `name`, whose requests to the API are traced as well. */
async function startTraced(world: World, name: string, file: string) {
  const telemetry = traced(world.telemetry, name, file);
  const { tracerProvider } = telemetry;
  const kube = createKubeClient({ server: world.api.url, auth: bearerToken(world.api.token) }, { tracerProvider });
  const manager = await world.startManager({ kube, telemetry });
  return {
    async stop() {
      await manager.stop();
      kube[Symbol.dispose]();
    },
  };
}

/** One kind of operation: what it is called, on which objects, and by which method of a provider. */
interface Kind {
  readonly operation: string;
  readonly kind: string;
  readonly plural: string;
  readonly method: string;
}

/** The trace that `start` began holds all that belongs to the operation, each below the right span, and nothing else. */
function expectTrace(spans: readonly Line[], start: Line, { operation, kind, plural, method }: Kind): void {
  const byId = new Map(spans.map((span) => [span.id, span]));
  const within = spans.filter(({ trace }) => trace === start.trace);
  const names = (found: readonly Line[]): string[] => [...new Set(found.map(({ name }) => name))];
  // One operation and its one result.
  expect(names(within.filter(({ name }) => /^(operation|result) /.test(name)))).toEqual([
    `operation ${operation}`,
    `result ${operation}`,
  ]);
  // No span whose parent is missing, and one root.
  const roots = within.filter(({ parent }) => parent === undefined);
  expect(roots).toHaveLength(1);
  expect(within.filter(({ parent }) => parent !== undefined && !byId.has(parent))).toEqual([]);
  const below = (span: Line): Line[] => within.filter(({ parent }) => parent === span.id);
  const ancestors = (span: Line): Line[] => {
    const parent = span.parent === undefined ? undefined : byId.get(span.parent);
    return parent === undefined ? [] : [parent, ...ancestors(parent)];
  };
  // Begun in a reconcile that tells what led to it, or behind another operation, with a link to it.
  const [root] = roots as [Line];
  if (root === start) expect(start.links).toHaveLength(1);
  else {
    expect(root.name).toBe(`reconcile ${kind}`);
    expect(names(below(root))).toEqual(
      expect.arrayContaining([expect.stringMatching(/^watch \w+ \w+$/) as string, `queue ${kind}`]),
    );
  }
  // Kept and sent by the one who began it: the journal with the context, then the request, the task at the other end.
  expect(below(start).map(({ name }) => name)).toContain(
    `PATCH /apis/infra.virtrigaud.io/v1beta1/namespaces/{namespace}/${plural}/{name}`,
  );
  const task = within.filter(({ name }) => name === `task ${method}`);
  expect(task).toHaveLength(1);
  const chain = ancestors(task[0] as Line);
  expect(chain.map(({ process, kind }) => [process === "provider" ? "provider" : "manager", kind])).toEqual(
    expect.arrayContaining([
      ["provider", 1],
      ["manager", 2],
    ]),
  );
  expect(chain.slice(0, 3).map(({ id }) => id)).toContain(start.id);
  // Followed by reconciles of both managers that ask for the task.
  const reconciles = below(start).filter(({ name }) => name === `reconcile ${kind}`);
  expect(reconciles.length).toBeGreaterThan(0);
  expect(below(start).map(({ name }) => name)).toContain(`queue ${kind}`);
  const polls = within.filter(({ name, kind }) => kind === 2 && name.includes("TaskStatus"));
  expect(polls.length).toBeGreaterThan(0);
  for (const poll of polls) expect(ancestors(poll).map(({ id }) => id)).toContain(start.id);
  const result = within.find(({ name }) => name === `result ${operation}`);
  expect(result).toMatchObject({ parent: start.id, attributes: { "almanac.operation.outcome": "success" } });
}

/** It was begun by one manager and ended by another. */
function expectTwoManagers(spans: readonly Line[], begun: readonly Line[], operation: string): void {
  const processes = begun.map(({ trace }) => [
    ...new Set(
      spans.filter((span) => span.trace === trace && span.process !== "provider").map(({ process }) => process),
    ),
  ]);
  expect(
    processes.some((found) => found.length === 2),
    operation,
  ).toBe(true);
}

const methodOf = { Create: "CreateVM", Power: "PowerVM", Reconfigure: "ReconfigureVM", Delete: "DeleteVM" } as const;
type Traced = keyof typeof methodOf;

describe.concurrent("an operation's trace", () => {
  it("goes from the watch event to the result, over a manager's restart, and holds nothing else", async () => {
    const world = await createWorld();
    const file = join(world.folder, "spans.jsonl");
    writeFileSync(file, "");
    await world.startMock("lab", {
      delays: { taskMs: { min: 700, max: 700 } },
      telemetry: traced(world.telemetry, "provider", file),
    });
    await world.addProvider("lab");
    const key = { namespace: "default", name: "web" };
    const { virtualMachines, vmClasses } = world.resources;
    let manager = await startTraced(world, "manager-0", file);
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    let restarts = 0;

    /** Carries one operation out, with another manager from the moment its task is known. */
    async function restartWithin(operation: Traced, act: () => Promise<unknown>): Promise<void> {
      await act();
      await until(`task of ${operation}`, () => {
        const machine = world.machine("web");
        const journal = machine?.metadata.annotations?.["almanac.dev/operation"] ?? "";
        const task = operation === "Reconfigure" ? machine?.status?.reconfigureTaskRef : machine?.status?.lastTaskRef;
        return journal.includes(`"operation":"${operation}"`) && task !== undefined;
      });
      const parent = world.machine("web")?.metadata.annotations?.["almanac.dev/traceparent"]?.split("-")[1];
      // A person sees it as well.
      expect(JSON.stringify(world.machine("web")?.status?.conditions)).toContain(`[trace ${parent}]`);
      await manager.stop();
      restarts += 1;
      manager = await startTraced(world, `manager-${restarts}`, file);
    }

    await restartWithin("Create", () => world.addMachine("web"));
    await untilReady(world, "web");
    await restartWithin("Power", () => virtualMachines.patch(key, { spec: { powerState: "Off" } }, { type: "merge" }));
    await until("off", () => isCurrent(world.machine("web")));
    await restartWithin("Reconfigure", () =>
      vmClasses.patch({ namespace: "default", name: "small" }, { spec: { cpu: 2 } }, { type: "merge" }),
    );
    await until(
      "changed",
      () => isCurrent(world.machine("web")) && world.machine("web")?.status?.currentResources?.cpu === 2,
    );
    await restartWithin("Delete", () => virtualMachines.delete(key));
    await until("gone", () => world.machine("web") === undefined);
    await manager.stop();

    const spans = readSpans(file);
    for (const operation of Object.keys(methodOf) as Traced[]) {
      const begun = spans.filter(({ name }) => name === `operation ${operation}`);
      // The machine is also powered on once after it was made.
      expect(begun.length, operation).toBe(operation === "Power" ? 2 : 1);
      const kind = { operation, kind: "VirtualMachine", plural: "virtualmachines", method: methodOf[operation] };
      for (const start of begun) expectTrace(spans, start, kind);
      expectTwoManagers(spans, begun, operation);
    }

    // The exemplar of each operation's duration names its trace.
    const page = await (
      await fetch(`${world.telemetry.metricsUrl}/metrics`, { headers: { accept: "application/openmetrics-text" } })
    ).text();
    for (const operation of Object.keys(methodOf)) {
      const lines = page
        .split("\n")
        .filter((line) => line.startsWith("virtrigaud_vm_operations_duration_seconds_bucket"))
        .filter((line) => line.includes(`operation="${operation}"`) && line.includes("trace_id="));
      const ids = lines.map((line) => /trace_id="(\w+)"/.exec(line)?.[1]);
      const traces = spans.filter(({ name }) => name === `operation ${operation}`).map(({ trace }) => trace);
      expect(traces, operation).toEqual(expect.arrayContaining(ids));
      expect(ids.length, operation).toBeGreaterThan(0);
    }
  });

  it("of a snapshot, a revert, a clone and an image goes over a manager's restart as well", async () => {
    const world = await createWorld();
    const file = join(world.folder, "spans.jsonl");
    writeFileSync(file, "");
    await world.startMock("lab", {
      delays: { taskMs: { min: 400, max: 400 } },
      telemetry: traced(world.telemetry, "provider", file),
    });
    await world.addProvider("lab");
    const { virtualMachines, vmSnapshots, vmClones, vmImages } = world.resources;
    const namespace = "default";
    let manager = await startTraced(world, "manager-0", file);
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    let restarts = 0;
    const find = (plural: string, name: string): KubeObject | undefined =>
      world.api.store.get(`${plural}.infra.virtrigaud.io`, namespace, name) as never;
    const phase = (plural: string, name: string): string | undefined =>
      (find(plural, name) as { readonly status?: { readonly phase?: string } } | undefined)?.status?.phase;

    /** Carries one operation on an object out, with another manager from the moment its task is known. */
    async function restartWithin(plural: string, name: string, act: () => Promise<unknown>): Promise<void> {
      await act();
      await until(`task of ${plural} ${name}`, () => {
        const object = find(plural, name);
        const journal = object?.metadata.annotations?.["almanac.dev/operation"] ?? "";
        if (plural !== "virtualmachines") return journal.includes('"task":');
        return journal.includes('"operation":"Revert"') && world.machine(name)?.status?.lastTaskRef !== undefined;
      });
      await manager.stop();
      restarts += 1;
      manager = await startTraced(world, `manager-${restarts}`, file);
    }

    await vmImages.create({
      metadata: { name: "ubuntu", namespace },
      spec: { source: { libvirt: { url: "https://images.example/ubuntu.img" } }, prepare: {} },
    } as never);
    await restartWithin("vmimages", "ubuntu", () =>
      world.addMachine("web", { imageRef: { name: "ubuntu", namespace } }),
    );
    await untilReady(world, "web");
    await restartWithin("vmsnapshots", "nightly", () =>
      vmSnapshots.create({ metadata: { name: "nightly", namespace }, spec: { vmRef: { name: "web" } } } as never),
    );
    await until("taken", () => phase("vmsnapshots", "nightly") === "Ready");
    await restartWithin("virtualmachines", "web", () =>
      virtualMachines.patch(
        { namespace, name: "web" },
        { spec: { snapshot: { revertToRef: { name: "nightly" } } } },
        { type: "merge" },
      ),
    );
    await until("reverted", () => condition(world.machine("web"), "Reverted")?.status === "True");
    await untilReady(world, "web");
    await restartWithin("vmclones", "copy", () =>
      vmClones.create({
        metadata: { name: "copy", namespace },
        spec: { source: { vmRef: { name: "web" } }, target: { name: "copy-vm" } },
      } as never),
    );
    await until("cloned", () => phase("vmclones", "copy") === "Ready");
    await restartWithin("vmsnapshots", "nightly", () => vmSnapshots.delete({ namespace, name: "nightly" }));
    await until("deleted", () => find("vmsnapshots", "nightly") === undefined);
    await manager.stop();

    const spans = readSpans(file);
    const kinds: readonly Kind[] = [
      { operation: "PrepareImage", kind: "VMImage", plural: "vmimages", method: "PrepareImage" },
      { operation: "CreateSnapshot", kind: "VMSnapshot", plural: "vmsnapshots", method: "CreateSnapshot" },
      { operation: "Revert", kind: "VirtualMachine", plural: "virtualmachines", method: "RevertSnapshot" },
      { operation: "CloneVM", kind: "VMClone", plural: "vmclones", method: "CloneVM" },
      { operation: "DeleteSnapshot", kind: "VMSnapshot", plural: "vmsnapshots", method: "DeleteSnapshot" },
    ];
    for (const kind of kinds) {
      const begun = spans.filter(({ name }) => name === `operation ${kind.operation}`);
      expect(begun.length, kind.operation).toBe(1);
      for (const start of begun) expectTrace(spans, start, kind);
      expectTwoManagers(spans, begun, kind.operation);
    }
  });

  it("is named by the Event of a failure, and linked to by reconciles outside of it", async () => {
    const world = await createWorld();
    const file = join(world.folder, "spans.jsonl");
    writeFileSync(file, "");
    await world.startMock("lab", {
      failures: { methods: { CreateVM: { taskRate: 1 } } },
      delays: { taskMs: { min: 20, max: 20 } },
    });
    await world.addProvider("lab");
    const manager = await startTraced(world, "manager", file);
    await world.addMachine("web");
    const failed = await until("told", () => eventsOf(world, "web").find(({ reason }) => reason === "CreateFailed"));
    // The next attempt is another operation, begun in a reconcile of its own.
    await until("again", () => readSpans(file).filter(({ name }) => name === "operation Create").length >= 2);
    await manager.stop();
    const spans = readSpans(file);
    const traces = spans.filter(({ name }) => name === "operation Create").map(({ trace }) => trace);
    const named = /\[trace (\w+)\]$/.exec(failed.message)?.[1];
    expect(traces).toContain(named);
    const outside = spans.filter(({ name, parent }) => name === "reconcile VirtualMachine" && parent === undefined);
    expect(outside.some(({ links }) => links.some((trace) => traces.includes(trace)))).toBe(true);
  });
});
