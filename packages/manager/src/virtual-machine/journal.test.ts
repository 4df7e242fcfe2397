import { describe, expect, it } from "vitest";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import { forgetFailures, readJournal, taskOf, writeJournal } from "./journal.ts";

function machine(annotation: string | undefined, status: NonNullable<VirtualMachine["status"]> = {}): VirtualMachine {
  const annotations = annotation === undefined ? {} : { "almanac.dev/operation": annotation };
  return { metadata: { annotations }, status } as unknown as VirtualMachine;
}

describe("readJournal", () => {
  it("gives back what was written", () => {
    const journal = { id: "vm-1", applied: "x", attempt: { operation: "Power", startedAtMs: 5, power: "On" } } as const;
    expect(readJournal(machine(writeJournal(journal) as string))).toEqual(journal);
    expect(writeJournal({})).toBeNull();
  });

  it("goes on with a machine of another manager, and does not trust a status beside a journal", () => {
    expect(readJournal(machine(undefined, { id: "vm-9" }))).toEqual({ id: "vm-9" });
    expect(readJournal(machine('{"applied":"x"}', { id: "vm-9" }))).toEqual({ applied: "x" });
  });

  it.each(["", "not json", "[]", "null", "7"])("takes %j for none", (text) => {
    expect(readJournal(machine(text, { id: "vm-9" }))).toEqual({ id: "vm-9" });
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
