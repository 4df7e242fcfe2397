import { describe, expect, it } from "vitest";
import { kinds } from "@almanac/catalog";
import { concurrency } from "./concurrency.ts";
import { createProgram } from "./program.ts";

const start = { each: 8, byKind: {} };

function help(): string {
  const manager = createProgram().commands.find((command) => command.name() === "manager");
  return (manager?.helpInformation() ?? "").replace(/\s+/g, " ");
}

describe("concurrency", () => {
  it("takes one number for all kinds, and others for single ones", () => {
    const given = ["16", "VirtualMachine=32", "VMImage=2", "VirtualMachine=64"];
    expect(given.reduce((previous, text) => concurrency(text, previous), start)).toEqual({
      each: 16,
      byKind: { VirtualMachine: 64, VMImage: 2 },
    });
    expect(concurrency("VMClone=1, 4", start)).toEqual({ each: 4, byKind: { VMClone: 1 } });
  });

  it("knows every kind", () => {
    for (const kind of kinds.values) expect(concurrency(`${kind}=3`, start).byKind).toEqual({ [kind]: 3 });
  });

  it.each(["0", "", "-1", "1.5", "VirtualMachine", "VirtualMachine=0", "8,", "99999"])("refuses %j", (text) => {
    expect(() => concurrency(text, start)).toThrow("Give a whole number of 1 to 9999, or Kind=N.");
  });

  it("names the kinds when there is no such", () => {
    expect(() => concurrency("Pod=2", start)).toThrow("There is no kind Pod; give one of Provider, VirtualMachine,");
    expect(() => concurrency("toString=2", start)).toThrow("There is no kind toString");
  });

  it("is described by the manager's help", () => {
    expect(help()).toContain(
      "--concurrency <workers> objects of each kind reconciled at a time; repeatable as Kind=N, e.g. 8 and VirtualMachine=32",
    );
    expect(help()).toContain("(default: 8, env: ALMANAC_CONCURRENCY)");
  });
});
