import type { InformerEvent, KubeObject, ObjectMeta } from "@almanac/kube";
import { describe, expect, it } from "vitest";
import {
  and,
  annotationsChanged,
  generationChanged,
  labelsChanged,
  not,
  or,
  resourceVersionChanged,
  type Predicate,
} from "./predicates.ts";

const base: ObjectMeta = {
  name: "a",
  generation: 1,
  resourceVersion: "1",
  annotations: { note: "x" },
  labels: { app: "a" },
};

function update(change: Partial<ObjectMeta>): InformerEvent<KubeObject> {
  return { type: "update", resync: false, old: { metadata: base }, object: { metadata: { ...base, ...change } } };
}
const add: InformerEvent<KubeObject> = { type: "add", object: { metadata: base }, initial: false };
const removal: InformerEvent<KubeObject> = { type: "delete", object: { metadata: base }, finalStateUnknown: false };
const traced = annotationsChanged({ ignore: ["trace"] });

describe("predicates", () => {
  it.each<[string, Predicate, Partial<ObjectMeta>, boolean]>([
    ["generationChanged on a new specification", generationChanged(), { generation: 2 }, true],
    ["generationChanged on a status", generationChanged(), { resourceVersion: "2" }, false],
    [
      "generationChanged on a deletion that begins",
      generationChanged(),
      { deletionTimestamp: "2026-01-01T00:00:00Z" },
      true,
    ],
    ["resourceVersionChanged on any change", resourceVersionChanged(), { resourceVersion: "2" }, true],
    ["resourceVersionChanged on none", resourceVersionChanged(), {}, false],
    ["annotationsChanged on another value", traced, { annotations: { note: "y" } }, true],
    ["annotationsChanged on a new annotation", traced, { annotations: { note: "x", more: "1" } }, true],
    ["annotationsChanged on a removed annotation", traced, {}, false],
    ["annotationsChanged on an ignored annotation", traced, { annotations: { note: "x", trace: "1" } }, false],
    ["labelsChanged on another label", labelsChanged(), { labels: { app: "b" } }, true],
    ["labelsChanged on the same labels", labelsChanged(), { labels: { app: "a" } }, false],
    ["or", or(generationChanged(), labelsChanged()), { generation: 2 }, true],
    ["and", and(generationChanged(), labelsChanged()), { generation: 2 }, false],
    ["not", not(generationChanged()), { generation: 2 }, false],
  ])("%s", (_name, predicate, change, expected) => {
    expect(predicate(update(change))).toBe(expected);
  });

  it("sees an annotation that was removed altogether", () => {
    const event = update({});
    const { annotations: _dropped, ...without } = base;
    expect(traced({ ...event, object: { metadata: without } })).toBe(true);
  });

  it("let adds and deletes pass", () => {
    for (const predicate of [generationChanged(), resourceVersionChanged(), traced, labelsChanged()]) {
      expect([predicate(add), predicate(removal)]).toEqual([true, true]);
    }
  });
});
