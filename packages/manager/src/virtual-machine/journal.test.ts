import { describe, expect, it } from "vitest";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import { journalText } from "../operation/session.ts";
import { forgetFailures, machineProvider, readJournal, taskOf } from "./journal.ts";

type Status = NonNullable<VirtualMachine["status"]>;

const uid = "of-web";

function machine(annotation: string | undefined, status: Status = {}): VirtualMachine {
  const annotations = annotation === undefined ? {} : { "almanac.dev/operation": annotation };
  const spec = { providerRef: { name: "lab" } };
  return {
    metadata: { namespace: "default", name: "web", uid, annotations },
    spec,
    status,
  } as unknown as VirtualMachine;
}

const kept = (journal: object, status: Status = {}): VirtualMachine => machine(JSON.stringify(journal), status);
const creation = { operation: "Create", startedAtMs: 5, digest: "d" } as const;
const power = { operation: "Power", startedAtMs: 5, power: "On" } as const;
const failed = (retryAtMs: unknown) => ({ count: 1, retryAtMs: retryAtMs as number, generation: 1 });

describe("readJournal", () => {
  it("gives back what was written for the object", () => {
    const journal = {
      id: "vm-1",
      applied: "x",
      attempt: power,
      failures: { Power: failed(7) },
      shutdownAtMs: 3,
    } as const;
    const text = journalText(uid, journal) as string;
    expect(readJournal(machine(text, { id: "vm-1" }))).toEqual(journal);
    expect(text).toContain('"uid":"of-web"');
    expect(journalText(uid, {})).toBeNull();
  });

  it("takes one that was written for another object for none", () => {
    expect(readJournal(kept({ uid: "of-web-0", id: "vm-1", attempt: power }))).toEqual({});
    expect(readJournal(kept({ uid: "of-web-0", id: "vm-1" }, { id: "vm-9" }))).toEqual({ id: "vm-9" });
  });

  it("believes one that does not say for whom it was written only as far as the status says the same", () => {
    expect(readJournal(kept({ id: "vm-1", applied: "x" }, { id: "vm-1" }))).toEqual({ id: "vm-1", applied: "x" });
    expect(readJournal(kept({ id: "vm-1", applied: "x" }, { id: "vm-9" }))).toEqual({ id: "vm-9" });
    expect(readJournal(kept({ id: "vm-1", attempt: power }))).toEqual({});
    expect(readJournal(kept({ attempt: creation }, { id: "vm-1" }))).toEqual({ attempt: creation });
  });

  it("has the machine that the status names, and none that only the journal names", () => {
    expect(readJournal(kept({ uid, id: "vm-1", applied: "x" }, { id: "vm-9" }))).toEqual({ id: "vm-9", applied: "x" });
    expect(readJournal(kept({ uid, id: "vm-1", applied: "x", attempt: power }))).toEqual({ uncertain: true });
    expect(readJournal(kept({ uid, applied: "x" }, { id: "vm-9" }))).toEqual({ id: "vm-9", applied: "x" });
    expect(readJournal(kept({ uid, failures: { Create: failed(1) } }, { id: "vm-9" }))).toEqual({
      failures: { Create: failed(1) },
    });
    expect(readJournal(kept({ uid, attempt: creation }, { id: "vm-9" }))).toEqual({ attempt: creation });
  });

  it("goes on without a journal as the status says, and asks again for what was being made", () => {
    expect(readJournal(machine(undefined, { id: "vm-9" }))).toEqual({ id: "vm-9" });
    expect(readJournal(machine(undefined))).toEqual({});
    const conditions = [{ type: "Provisioned", status: "False", reason: "Creating" }] as Status["conditions"];
    const making = { id: "vm-9", lastTaskRef: "t-1", ...(conditions === undefined ? {} : { conditions }) };
    expect(readJournal(machine(undefined, making))).toEqual({ uncertain: true });
  });

  it.each(["", "not json", "[]", "null", "7", '{"uid":7}'])("takes %j for none", (text) => {
    expect(readJournal(machine(text, { id: "vm-9" }))).toEqual({ id: "vm-9" });
  });

  it.each<[object, object]>([
    [{ attempt: "x" }, {}],
    [{ attempt: { operation: "Bogus", startedAtMs: 1 } }, {}],
    [{ attempt: { operation: "Power" } }, {}],
    [{ attempt: { operation: "Power", startedAtMs: "1" } }, {}],
    [{ attempt: { operation: "Power", startedAtMs: 1, power: "Sideways" } }, {}],
    [{ attempt: { operation: "Revert", startedAtMs: 1 } }, {}],
    [{ attempt: { ...power, unknown: {} } }, { attempt: power }],
    [{ failures: { Power: null } }, {}],
    [{ failures: { Power: null, Create: failed(1), toString: failed(1) } }, { failures: { Create: failed(1) } }],
    [{ failures: { Power: failed(9e18) } }, {}],
    [{ failures: { Power: failed("soon") } }, {}],
    [{ failures: { Power: { ...failed(1), count: 1.5 } } }, {}],
    [{ applied: 7, shutdownAtMs: -1, poweredOnAtMs: null, reverted: { uid: "u" }, uncertain: "true" }, {}],
    [{ shutdownAtMs: 3, poweredOnAtMs: 1e400 }, { shutdownAtMs: 3 }],
    [{ provider: "default/lab" }, { provider: "default/lab" }],
    ...["lab", "a/b/c", "/lab", "", 7, null].map((provider): [object, object] => [{ provider }, {}]),
    [{ creation: {} }, { creation: {} }],
    [{ creation: { tags: "a", imageRef: "b" } }, { creation: { tags: "a", imageRef: "b" } }],
    ...["x", null, [], { tags: "a", imageRef: 7 }].map((creation): [object, object] => [{ creation }, {}]),
  ])("reads of %j what can be read", (journal, found) => {
    expect(readJournal(kept({ uid, id: "vm-1", ...journal }, { id: "vm-1" }))).toEqual({ id: "vm-1", ...found });
  });

  it("takes the status's word for an id that cannot be read", () => {
    expect(readJournal(kept({ id: {}, failures: { Power: null } }, { id: "vm-9" }))).toEqual({ id: "vm-9" });
  });
});

describe("machineProvider", () => {
  const at = (provider?: string): Status => ({
    id: "vm-1",
    ...(provider === undefined ? {} : { provider: { "almanac.dev/provider": provider } }),
  });
  const elsewhere = { uid, provider: "default/other" };

  it.each<[string, VirtualMachine, string]>([
    [
      "the one that gave the status its id, whatever the journal says",
      kept(elsewhere, at("default/was")),
      "default/was",
    ],
    ["the same without a journal", machine(undefined, at("default/was")), "default/was"],
    ["the one that is named, for an id of nobody knows which", kept({ ...elsewhere, id: "vm-1" }, at()), "default/lab"],
    ["the one that was asked, while it may have made it", kept({ ...elsewhere, attempt: creation }), "default/other"],
    ["that also after no answer", kept({ ...elsewhere, uncertain: true }), "default/other"],
    ["that also for an id that the status has lost", kept({ ...elsewhere, id: "vm-1" }), "default/other"],
    [
      "the one that is named, where nothing was made",
      kept({ ...elsewhere, failures: { Create: failed(1) } }),
      "default/lab",
    ],
    ["the same for the journal of another object", kept({ ...elsewhere, uid: "x", uncertain: true }), "default/lab"],
    [
      "the same for a status of nothing",
      machine(undefined, { id: "", ...{ provider: at("default/was").provider } } as Status),
      "default/lab",
    ],
  ])("is %s", (_which, vm, provider) => {
    expect(machineProvider(vm)).toBe(provider);
  });
});

describe("taskOf", () => {
  it("takes a task for this attempt's only when it was not there when it began", () => {
    const attempt = { operation: "Power", startedAtMs: 5, previousTask: "t-1" } as const;
    expect(taskOf(machine(undefined, { lastTaskRef: "t-1" }), attempt)).toBeUndefined();
    expect(taskOf(machine(undefined, { lastTaskRef: "t-2" }), attempt)).toBe("t-2");
    expect(taskOf(machine(undefined), attempt)).toBeUndefined();
    const reconfigure = { operation: "Reconfigure", startedAtMs: 5 } as const;
    expect(taskOf(machine(undefined, { lastTaskRef: "t-2", reconfigureTaskRef: "t-3" }), reconfigure)).toBe("t-3");
  });
});

describe("forgetFailures", () => {
  it("drops the whole field with its last entry", () => {
    const once = { count: 1, retryAtMs: 1, generation: 1 };
    expect(forgetFailures({ Create: once }, "Create")).toEqual({});
    expect(forgetFailures({ Create: once, Power: once }, "Create")).toEqual({ failures: { Power: once } });
    expect(forgetFailures(undefined, "Power")).toEqual({});
  });
});
