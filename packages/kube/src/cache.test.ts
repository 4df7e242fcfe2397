import { silentLogger } from "@almanac/core";
import { describe, expect, it } from "vitest";
import { createCache, type Cache } from "./cache.ts";
import type { Thing } from "./flaky-api.test.support.ts";
import { createStore } from "./store.ts";

function thing(name: string, version: number | string, uid = name): Thing {
  return { metadata: { namespace: "lab", name, uid, resourceVersion: String(version) } };
}

/** A cache after a list at version 100, and what it told. */
function cacheAt100(...items: Thing[]): { cache: Cache<Thing>; log: string[]; names(): string[] } {
  const log: string[] = [];
  const store = createStore<Thing>();
  const cache = createCache(store, {
    transform: (object) => object,
    emit: (event) => log.push(`${event.type} ${event.object.metadata.name}@${event.object.metadata.resourceVersion}`),
    logger: silentLogger,
  });
  cache.beginList();
  cache.replace(items, "100", true);
  log.length = 0;
  return {
    cache,
    log,
    names: () => [...store.values()].map((object) => `${object.metadata.name}@${object.metadata.resourceVersion}`),
  };
}

describe("createCache", () => {
  it("ignores duplicates and older states of an object", () => {
    const { cache, log } = cacheAt100(thing("a", 50));
    for (const version of [101, 101, 50, 103, 102]) cache.apply({ type: "MODIFIED", object: thing("a", version) });
    expect(log).toEqual(["update a@101", "update a@103"]);
    expect(cache.position).toBe("103");
  });

  it("takes versions longer than a safe integer in their order", () => {
    const { cache, log } = cacheAt100(thing("a", "9007199254740993"));
    cache.apply({ type: "MODIFIED", object: thing("a", "9007199254740992") });
    cache.apply({ type: "MODIFIED", object: thing("a", "9007199254740994") });
    expect(log).toEqual(["update a@9007199254740994"]);
  });

  it("does not bring a deleted object back for an event from before its deletion", () => {
    const { cache, names } = cacheAt100();
    cache.apply({ type: "ADDED", object: thing("a", 101) });
    cache.apply({ type: "DELETED", object: thing("a", 102) });
    cache.apply({ type: "ADDED", object: thing("a", 101) });
    expect(names()).toEqual([]);
    cache.apply({ type: "ADDED", object: thing("a", 103, "another") });
    cache.apply({ type: "DELETED", object: thing("a", 102) });
    expect(names()).toEqual(["a@103"]);
  });

  it("does not bring back what the list no longer had", () => {
    const { cache, names } = cacheAt100();
    cache.apply({ type: "ADDED", object: thing("a", 99) });
    expect(names()).toEqual([]);
  });

  it("keeps events of different objects that come out of order", () => {
    const { cache, names } = cacheAt100();
    cache.apply({ type: "ADDED", object: thing("b", 102) });
    cache.apply({ type: "ADDED", object: thing("a", 101) });
    expect(names()).toEqual(["b@102", "a@101"]);
    expect(cache.position).toBe("102");
  });

  it("deletes an object whose deletion carries the version of its last state", () => {
    const { cache, log } = cacheAt100(thing("a", 50));
    cache.apply({ type: "DELETED", object: thing("a", 50) });
    expect(log).toEqual(["delete a@50"]);
  });

  it("tells of an object made anew under the same name as of two objects", () => {
    const { cache, log } = cacheAt100(thing("a", 50));
    cache.apply({ type: "MODIFIED", object: thing("a", 101, "another") });
    expect(log).toEqual(["delete a@50", "add a@101"]);
  });

  it("keeps a write that is newer than the list that was under way", () => {
    const { cache, names, log } = cacheAt100(thing("a", 50), thing("b", 60));
    cache.beginList();
    cache.observe(thing("a", 205), false);
    cache.observe(thing("c", 206), false);
    cache.replace([thing("a", 50)], "200", false);
    expect(names()).toEqual(["a@205", "c@206"]);
    expect(log).toEqual(["update a@205", "add c@206", "delete b@60"]);
  });

  it("believes the next list that a write is undone", () => {
    const { cache, names } = cacheAt100();
    cache.observe(thing("c", 206), false);
    cache.beginList();
    cache.replace([], "210", false);
    expect(names()).toEqual([]);
  });

  it("believes a list of a server whose history started again", () => {
    const { cache, names } = cacheAt100(thing("a", 50), thing("b", 60));
    cache.beginList();
    cache.replace([thing("a", 3, "another")], "5", false);
    expect(names()).toEqual(["a@3"]);
    cache.apply({ type: "MODIFIED", object: thing("a", 6, "another") });
    expect(names()).toEqual(["a@6"]);
  });

  it("remembers a bounded number of deletions", () => {
    const { cache, names } = cacheAt100();
    for (let version = 101; version < 3_000; version += 2) {
      cache.apply({ type: "ADDED", object: thing(`t${version}`, version) });
      cache.apply({ type: "DELETED", object: thing(`t${version}`, version + 1) });
    }
    cache.apply({ type: "ADDED", object: thing("t2999", 2_999) });
    cache.apply({ type: "ADDED", object: thing("t101", 101) });
    // The last is remembered, the first forgotten: that is the price of the bound.
    expect(names()).toEqual(["t101@101"]);
  });

  it("tells versions that are not numbers apart, and takes no writes by them", () => {
    const { cache, log } = cacheAt100(thing("a", "x1"));
    cache.apply({ type: "MODIFIED", object: thing("a", "x1") });
    cache.apply({ type: "MODIFIED", object: thing("a", "x0") });
    cache.observe(thing("a", "x2"), false);
    expect(log).toEqual(["update a@x0"]);
  });
});
