import { describe, expect, it } from "vitest";
import type { VMSnapshot } from "../api/vm-snapshot.ts";
import { machineNameOf, readSnapshotJournal } from "./journal.ts";

const uid = "of-nightly";

function snapshot(journal: object): VMSnapshot {
  const annotations = { "almanac.dev/operation": JSON.stringify({ uid, ...journal }) };
  const spec = { vmRef: { name: "named" } };
  return { metadata: { namespace: "default", name: "nightly", uid, annotations }, spec } as unknown as VMSnapshot;
}

describe("readSnapshotJournal", () => {
  it("reads every field", () => {
    const journal = {
      owner: "of-web",
      vm: "web",
      machine: "vm-1",
      provider: "default/lab",
      memory: true,
      id: "s-1",
      createdAtMs: 5,
      create: { failures: { count: 1, retryAtMs: 7, generation: 1 } },
      delete: { attempt: { startedAtMs: 6, task: "t-1", about: { id: "s-1" } } },
    };
    expect(readSnapshotJournal(snapshot(journal))).toEqual(journal);
  });

  it.each([
    { owner: 7 },
    { vm: {} },
    { machine: "" },
    { provider: "lab" },
    { memory: "true" },
    { createdAtMs: "now" },
    { create: { attempt: {} } },
    { delete: null },
  ])("reads nothing of %j", (journal) => expect(readSnapshotJournal(snapshot(journal))).toEqual({}));
});

describe("machineNameOf", () => {
  it("is the machine that it was taken of, and before that the one that is named", () => {
    expect(machineNameOf(snapshot({ vm: "web", id: "s-1" }))).toBe("web");
    expect(machineNameOf(snapshot({ vm: "web" }))).toBe("named");
    expect(machineNameOf(snapshot({ vm: { name: "web" }, id: "s-1" }))).toBe("named");
  });
});
