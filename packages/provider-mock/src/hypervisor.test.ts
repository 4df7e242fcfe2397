import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStateFile, PowerOp, type CreateDocuments, type RequestOf } from "@almanac/provider";
import { createVirtualClock, type VirtualClock } from "@almanac/testkit";
import { createMockHypervisor, type MockHypervisor, type MockHypervisorOptions } from "./hypervisor.ts";
import { openJournal, type Journal, type JournalLine } from "./journal.ts";
import type { Plan } from "./planning.ts";

const documents: CreateDocuments = { class: { CPU: 1 }, image: {}, networks: [], disks: [], placement: {} };
const cloneDocuments = { class: {}, placement: {}, customize: {} };

function createRequest(name: string, owner?: string): RequestOf<"createVM"> {
  return { name, tags: owner === undefined ? [] : [`almanac.dev/owner=${owner}`] } as unknown as RequestOf<"createVM">;
}

function powerRequest(id: string, op: PowerOp): RequestOf<"powerVM"> {
  return { id, op, gracefulTimeoutSeconds: 0 } as RequestOf<"powerVM">;
}

function snapshotRequest(vmId: string, nameHint: string, includeMemory = false): RequestOf<"createSnapshot"> {
  return { vmId, nameHint, includeMemory, description: "" } as RequestOf<"createSnapshot">;
}

function carryOut<P extends Plan>(hypervisor: MockHypervisor, plan: P): P {
  if (plan.change !== undefined) hypervisor.apply(plan.change);
  return plan;
}

let folder: string;
let clock: VirtualClock;
const open: Disposable[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mock-hypervisor-"));
  clock = createVirtualClock();
});
afterEach(() => {
  for (const thing of open.splice(0).reverse()) thing[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function start(options: MockHypervisorOptions = {}): MockHypervisor {
  const hypervisor = createMockHypervisor({ clock, ...options });
  open.push(hypervisor);
  return hypervisor;
}

function createVm(hypervisor: MockHypervisor, name: string, owner?: string): string {
  return carryOut(hypervisor, hypervisor.planCreate(createRequest(name, owner), documents)).id;
}

function journalLines(directory: string): JournalLine[] {
  const text = readFileSync(join(directory, "journal.jsonl"), "utf8").trim();
  return text === "" ? [] : text.split("\n").map((line) => JSON.parse(line) as JournalLine);
}

describe("createMockHypervisor", () => {
  it("shows the IP addresses of a VM when their delay after the power-on is over", async () => {
    const hypervisor = start({ delays: { ipMs: { min: 500, max: 500 } } });
    const id = createVm(hypervisor, "a");
    carryOut(hypervisor, hypervisor.planPower(powerRequest(id, PowerOp.ON)));
    await clock.advance(499);
    expect(hypervisor.describe(id)).toMatchObject({ powerState: "On", ips: [] });
    await clock.advance(1);
    expect(hypervisor.describe(id).ips).toHaveLength(1);
    carryOut(hypervisor, hypervisor.planPower(powerRequest(id, PowerOp.REBOOT)));
    expect(hypervisor.describe(id).ips).toEqual([]);
  });

  it("refuses another wish for what is under way, finds the same one, and lets go afterwards", () => {
    const hypervisor = start();
    const id = createVm(hypervisor, "a");
    const on = hypervisor.planPower(powerRequest(id, PowerOp.ON));
    hypervisor.reserve(on.change!);
    expect(hypervisor.planPower(powerRequest(id, PowerOp.ON)).change).toBe(on.change);
    expect(() => hypervisor.planPower(powerRequest(id, PowerOp.OFF))).toThrow(
      expect.objectContaining({ code: "ABORTED" }),
    );
    expect(() => hypervisor.planDelete(id)).toThrow(expect.objectContaining({ code: "ABORTED" }));
    hypervisor.apply(on.change!);
    hypervisor.release(on.change!);
    expect(hypervisor.planPower(powerRequest(id, PowerOp.OFF)).change).toBeDefined();
  });

  it("holds the name of a VM that is being made for its owner", () => {
    const hypervisor = start();
    const making = hypervisor.planCreate(createRequest("a", "u1"), documents);
    hypervisor.reserve(making.change!);
    expect(hypervisor.planCreate(createRequest("a", "u1"), documents)).toEqual(making);
    expect(() => hypervisor.planCreate(createRequest("a", "u2"), documents)).toThrow(
      expect.objectContaining({ code: "ALREADY_EXISTS" }),
    );
    expect(hypervisor.describe(making.id).exists).toBe(false);
    hypervisor.release(making.change!);
    expect(hypervisor.planCreate(createRequest("a", "u2"), documents).id).not.toBe(making.id);
  });

  it("has an effect once, however often its change is applied", () => {
    const effects: string[] = [];
    const hypervisor = start({ onEffect: ({ method }) => effects.push(method) });
    const made = hypervisor.planCreate(createRequest("a"), documents);
    hypervisor.apply(made.change!);
    hypervisor.apply(made.change!);
    const deleted = hypervisor.planDelete(made.id);
    hypervisor.apply(deleted.change!);
    hypervisor.apply(deleted.change!);
    expect(effects).toEqual(["CreateVM", "DeleteVM"]);
  });

  it("is full at its bound", () => {
    const hypervisor = start({ maxVms: 1 });
    createVm(hypervisor, "a");
    expect(() => createVm(hypervisor, "b")).toThrow(expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }));
    expect(createVm(hypervisor, "a")).toBeDefined();
  });

  it("keeps memory in a snapshot of a running VM only", () => {
    const hypervisor = start();
    const id = createVm(hypervisor, "a");
    const cold = carryOut(hypervisor, hypervisor.planSnapshot(snapshotRequest(id, "cold", true)));
    carryOut(hypervisor, hypervisor.planPower(powerRequest(id, PowerOp.ON)));
    const live = carryOut(hypervisor, hypervisor.planSnapshot(snapshotRequest(id, "live", true)));
    const revert = (snapshotId: string): string | undefined => {
      carryOut(hypervisor, hypervisor.planRevert({ vmId: id, snapshotId } as RequestOf<"revertSnapshot">));
      return hypervisor.describe(id).powerState;
    };
    expect([revert(cold.snapshotId), revert(live.snapshotId)]).toEqual(["Off", "On"]);
    expect(hypervisor.planSnapshot(snapshotRequest(id, "live"))).toEqual({ snapshotId: live.snapshotId });
  });

  it("has nothing more to do for a VM that still is as its snapshot", () => {
    const hypervisor = start();
    const id = createVm(hypervisor, "a");
    const { snapshotId } = carryOut(hypervisor, hypervisor.planSnapshot(snapshotRequest(id, "cold")));
    const plan = () => hypervisor.planRevert({ vmId: id, snapshotId } as RequestOf<"revertSnapshot">);
    carryOut(hypervisor, plan());
    expect(plan()).toEqual({});
    carryOut(hypervisor, hypervisor.planPower(powerRequest(id, PowerOp.ON)));
    expect(plan()).toHaveProperty("change");
  });

  it("notices bytes that were changed behind its back", () => {
    const hypervisor = start({ stateDir: folder });
    const id = createVm(hypervisor, "a");
    const url = "pvc://claim/a.qcow2";
    const request = { vmId: id, diskId: "", snapshotId: "", destinationUrl: url, format: "raw", backendType: "pvc" };
    const exported = carryOut(hypervisor, hypervisor.planExport(request as unknown as RequestOf<"exportDisk">));
    const wanted = {
      sourceUrl: url,
      format: "",
      backendType: "",
      targetName: "b",
      storageHint: "",
      verifyChecksum: true,
    };
    const importRequest = { ...wanted, expectedChecksum: exported.checksum } as unknown as RequestOf<"importDisk">;
    expect(hypervisor.planImport(importRequest).checksum).toBe(exported.checksum);
    const [file = ""] = readdirSync(join(folder, "exports"));
    writeFileSync(join(folder, "exports", file), "tampered");
    expect(() => hypervisor.planImport(importRequest)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  it("writes nothing secret to disk", () => {
    const hypervisor = start({ stateDir: folder });
    const id = createVm(hypervisor, "a");
    const desired = { Class: { CPU: 4 }, UserData: { CloudInitData: "password: hunter2" } };
    const plan = carryOut(hypervisor, hypervisor.planReconfigure(id, desired));
    expect(JSON.stringify(plan)).not.toContain("hunter2");
    expect(readFileSync(join(folder, "state.jsonl"), "utf8")).not.toContain("hunter2");
  });

  it("is unreachable while told so or while a file says so", () => {
    const hypervisor = start({ stateDir: folder });
    expect(hypervisor.outage).toBe(false);
    writeFileSync(join(folder, "outage"), "");
    expect(hypervisor.outage).toBe(true);
    rmSync(join(folder, "outage"));
    hypervisor.setOutage(true);
    expect(hypervisor.outage).toBe(true);
  });
});

interface ModelVm {
  readonly id: string;
  readonly owner: string | undefined;
  readonly powerState: string;
  readonly cpu: number;
  readonly snapshots: readonly string[];
}

/** The simple truth a hypervisor is compared with. */
type Model = Map<string, ModelVm>;

interface Step {
  readonly kind: "create" | "clone" | "delete" | "on" | "off" | "cpu" | "snapshot" | "restart";
  readonly name: string;
  readonly other: string;
  readonly owner: string | undefined;
  readonly number: number;
  /** Where in what the step writes the process is killed, per mille; undefined: it is not. */
  readonly kill: number | undefined;
  /** Whether the step is asked for again after the kill, as a manager would. */
  readonly again: boolean;
}

describe("a hypervisor that is restarted and killed", () => {
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom("create", "create", "clone", "delete", "on", "off", "cpu", "snapshot", "restart"),
    name: fc.constantFrom("a", "b", "c"),
    other: fc.constantFrom("a", "b", "c"),
    owner: fc.constantFrom("u1", "u2", undefined),
    number: fc.integer({ min: 1, max: 4 }),
    kill: fc.option(fc.integer({ min: 0, max: 999 }), { nil: undefined, freq: 3 }),
    again: fc.boolean(),
  });

  // Invariants, at whatever byte of a step's writes the process dies:
  // 1. the step happened as a whole or not at all, and everything before it did;
  // 2. the journal has every effect once: per VM one creation, at most one deletion, and a present VM has no deletion;
  // 3. journal lines are numbered without gaps.
  it("loses nothing, doubles nothing, and its journal says exactly what happened", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        rmSync(folder, { recursive: true, force: true });
        let model: Model = new Map();
        let { hypervisor, journal } = boot();
        for (const current of steps) {
          const before = sizes();
          stateAtJournal = undefined;
          const after = tryStep(hypervisor, model, current);
          if (current.kill !== undefined || current.kind === "restart") {
            hypervisor[Symbol.dispose]();
            journal[Symbol.dispose]();
            if (current.kill !== undefined) killAt(before, current.kill);
            ({ hypervisor, journal } = boot());
            const happened = current.kill === undefined || isDeepStrictEqual(stateOf(hypervisor), stateOfModel(after));
            if (happened) model = after;
            else if (current.again) {
              expect(stateOf(hypervisor)).toEqual(stateOfModel(model));
              model = tryStep(hypervisor, model, current);
            }
          } else model = after;
          expect(stateOf(hypervisor)).toEqual(stateOfModel(model));
        }
        hypervisor[Symbol.dispose]();
        journal[Symbol.dispose]();
        checkJournal(model);
      }),
      { numRuns: 200 },
    );
  });

  let stateAtJournal: number | undefined;

  function boot(): { hypervisor: MockHypervisor; journal: Journal } {
    const journal = openJournal(folder, { clock });
    const hypervisor = createMockHypervisor({
      clock,
      stateDir: folder,
      isJournaled: (change) => journal.hasEffect(change),
      onEffect: (effect) => {
        stateAtJournal = sizes().state;
        journal.write({ kind: "effect", ...effect });
      },
    });
    return { hypervisor, journal };
  }

  function sizes(): { state: number; journal: number } {
    return { state: statSync(join(folder, "state.jsonl")).size, journal: statSync(join(folder, "journal.jsonl")).size };
  }

  /** Cuts the files as a kill in the middle of the step would have left them. */
  function killAt(before: { state: number; journal: number }, kill: number): void {
    const after = sizes();
    // In the order in which it was written: records, their journal line, and what of the records comes after it.
    const first = (stateAtJournal ?? after.state) - before.state;
    const line = after.journal - before.journal;
    const kept = Math.floor((kill / 1000) * (after.state - before.state + line));
    const keptFirst = Math.min(kept, first);
    const keptLine = Math.min(kept - keptFirst, line);
    truncateSync(join(folder, "state.jsonl"), before.state + kept - keptLine);
    truncateSync(join(folder, "journal.jsonl"), before.journal + keptLine);
  }

  function checkJournal(model: Model): void {
    const lines = journalLines(folder);
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map((_line, index) => index + 1));
    const changes = lines.map(({ change }) => change);
    expect(new Set(changes).size).toBe(changes.length);
    const created = new Map<string, number>();
    const deleted = new Map<string, number>();
    for (const { method, vm = "" } of lines) {
      if (method === "CreateVM" || method === "CloneVM") created.set(vm, (created.get(vm) ?? 0) + 1);
      if (method === "DeleteVM") deleted.set(vm, (deleted.get(vm) ?? 0) + 1);
    }
    for (const count of [...created.values(), ...deleted.values()]) expect(count).toBe(1);
    const present = [...created.keys()].filter((vm) => !deleted.has(vm));
    expect(present.sort()).toEqual([...model.values()].map(({ id }) => id).sort());
    using records = openStateFile(join(folder, "state.jsonl"));
    expect(records.entries.size).toBe(model.size);
  }
});

/** Does the step to the hypervisor and returns what the model looks like after it. Refused steps change neither. */
function tryStep(hypervisor: MockHypervisor, model: Model, { kind, name, other, owner, number }: Step): Model {
  const next = new Map(model);
  const vm = model.get(name);
  const change = (fields: Partial<ModelVm>): Model => (vm === undefined ? next : next.set(name, { ...vm, ...fields }));
  const refused = (code: string, plan: () => Plan): Model => {
    expect(plan).toThrow(expect.objectContaining({ code }));
    return next;
  };
  const target = kind === "clone" ? model.get(other) : vm;
  const foreign = target !== undefined && owner !== undefined && target.owner !== owner;
  switch (kind) {
    case "restart":
      return next;
    case "create": {
      const plan = (): ReturnType<MockHypervisor["planCreate"]> =>
        hypervisor.planCreate(createRequest(name, owner), documents);
      if (foreign) return refused("ALREADY_EXISTS", plan);
      const { id } = carryOut(hypervisor, plan());
      if (vm !== undefined) {
        expect(id).toBe(vm.id);
        return next;
      }
      return next.set(name, { id, owner, powerState: "Off", cpu: 1, snapshots: [] });
    }
    case "clone": {
      const customize = owner === undefined ? {} : { tags: [`almanac.dev/owner=${owner}`] };
      const request = { sourceVmId: vm?.id ?? "missing", targetName: other, linked: false } as RequestOf<"cloneVM">;
      const plan = (): ReturnType<MockHypervisor["planClone"]> =>
        hypervisor.planClone(request, { ...cloneDocuments, customize });
      if (foreign) return refused("ALREADY_EXISTS", plan);
      if (target === undefined && vm === undefined) return refused("NOT_FOUND", plan);
      const { id } = carryOut(hypervisor, plan());
      if (target !== undefined) {
        expect(id).toBe(target.id);
        return next;
      }
      return next.set(other, { id, owner, powerState: "Off", cpu: vm?.cpu ?? 0, snapshots: [] });
    }
    case "delete":
      carryOut(hypervisor, hypervisor.planDelete(vm?.id ?? "missing"));
      next.delete(name);
      return next;
    case "on":
    case "off": {
      const op = kind === "on" ? PowerOp.ON : PowerOp.OFF;
      const plan = (): Plan => hypervisor.planPower(powerRequest(vm?.id ?? "missing", op));
      if (vm === undefined) return refused("NOT_FOUND", plan);
      carryOut(hypervisor, plan());
      return change({ powerState: kind === "on" ? "On" : "Off" });
    }
    case "cpu": {
      const plan = (): Plan => hypervisor.planReconfigure(vm?.id ?? "missing", { Class: { CPU: number } });
      if (vm === undefined) return refused("NOT_FOUND", plan);
      carryOut(hypervisor, plan());
      return change({ cpu: number });
    }
    case "snapshot": {
      const plan = (): Plan => hypervisor.planSnapshot(snapshotRequest(vm?.id ?? "missing", `s${number}`));
      if (vm === undefined) return refused("NOT_FOUND", plan);
      carryOut(hypervisor, plan());
      return change({ snapshots: [...new Set([...vm.snapshots, `s${number}`])].sort() });
    }
  }
}

function stateOf(hypervisor: MockHypervisor): Record<string, ModelVm> {
  const state: Record<string, ModelVm> = {};
  for (const { id = "", name = "" } of hypervisor.list().vms ?? []) {
    const raw = JSON.parse(hypervisor.describe(id).providerRawJson ?? "{}") as {
      owner?: string;
      powerState: string;
      cpu: number;
      snapshots: { name: string }[];
    };
    const snapshots = raw.snapshots.map((snapshot) => snapshot.name).sort();
    expect(state[name]).toBeUndefined();
    state[name] = { id, owner: raw.owner, powerState: raw.powerState, cpu: raw.cpu, snapshots };
  }
  return state;
}

function stateOfModel(model: Model): Record<string, ModelVm> {
  return Object.fromEntries(model);
}
