import { describe, expect, it } from "vitest";
import type { VMClone } from "../api/vm-clone.ts";
import { readCloneJournal, targetKeyOf } from "./journal.ts";

const uid = "of-copy";

function clone(journal: object): VMClone {
  const annotations = { "almanac.dev/operation": JSON.stringify({ uid, ...journal }) };
  const spec = { source: { vmRef: { name: "web" } }, target: { name: "named" } };
  return { metadata: { namespace: "default", name: "copy", uid, annotations }, spec } as unknown as VMClone;
}

describe("readCloneJournal", () => {
  it("reads every field", () => {
    const journal = {
      target: "of-web-2",
      targetKey: "default/web-2",
      machine: "vm-1",
      provider: "default/lab",
      shapes: { source: "a", target: "b" },
      startedAtMs: 5,
      clone: { attempt: { startedAtMs: 5, task: "t-1", about: { linked: false } }, uncertain: true },
      made: { linked: false },
      handedOver: true,
      done: true,
    };
    expect(readCloneJournal(clone(journal))).toEqual(journal);
  });

  it.each([
    { targetKey: "web-2" },
    { provider: 7 },
    { shapes: { source: "a" } },
    { made: { linked: "no" } },
    { handedOver: 1 },
  ])("reads nothing of %j", (journal) => expect(readCloneJournal(clone(journal))).toEqual({}));
});

describe("targetKeyOf", () => {
  it("is the target that was begun, and before that the one that is named", () => {
    expect(targetKeyOf(clone({ targetKey: "other/web-2" }))).toBe("other/web-2");
    expect(targetKeyOf(clone({}))).toBe("default/named");
    expect(targetKeyOf(clone({ uid: "of-another", targetKey: "other/web-2" }))).toBe("default/named");
  });
});
