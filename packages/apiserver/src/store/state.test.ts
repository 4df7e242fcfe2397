import type { JsonObject } from "../schema/index.ts";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@almanac/core";
import { afterEach, describe, expect, it } from "vitest";
import { openJournal } from "./journal.ts";
import { createStore } from "./store.ts";

const folders: string[] = [];

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "almanac-state-"));
  folders.push(path);
  return path;
}

/** What a killed process leaves: the files as they are, without the lock's owner. */
function copyOf(directory: string): string {
  const copy = join(folder(), "copy");
  mkdirSync(copy);
  for (const name of readdirSync(directory)) if (name !== "lock") copyFileSync(join(directory, name), join(copy, name));
  return copy;
}

async function open(directory: string, compactAfterBytes?: number) {
  const journal = openJournal({
    directory,
    logger: silentLogger,
    ...(compactAfterBytes === undefined ? {} : { compactAfterBytes }),
  });
  try {
    return await createStore({ maxEvents: 100, maxBytes: 1_000_000, journal });
  } catch (error) {
    await journal.close();
    throw error;
  }
}

type Store = Awaited<ReturnType<typeof open>>;

function objectOf(name: string, value: number): JsonObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "n", uid: name },
    data: { value: String(value) },
  };
}

function contents(store: Store): JsonObject[] {
  return store
    .collection("configmaps")
    .sorted()
    .map(({ object }) => object);
}

afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

describe("a store with a journal", () => {
  it("comes back with the same objects and goes on after the last revision", async () => {
    const directory = folder();
    const store = await open(directory);
    store.put("configmaps", "n", "a", objectOf("a", 1));
    store.put("configmaps", "n", "b", objectOf("b", 1));
    store.put("configmaps", "n", "a", objectOf("a", 2));
    store.remove("configmaps", "n", "b", objectOf("b", 1));
    const before = contents(store);
    await store.close();

    const again = await open(directory);
    expect(contents(again)).toEqual(before);
    expect(again.revision).toBe(4);
    expect(again.put("configmaps", "n", "c", objectOf("c", 1)).revision).toBe(5);
    await again.close();
  });

  it("holds exactly the complete records, wherever the newest file was cut", async () => {
    const directory = folder();
    const store = await open(directory);
    const states: JsonObject[][] = [[]];
    for (let index = 0; index < 4; index++) {
      store.put("configmaps", "n", `o${index}`, objectOf(`o${index}`, index));
      states.push(contents(store));
    }
    const journal = readdirSync(directory).find((name) => name.startsWith("journal")) ?? "";
    const bytes = readFileSync(join(directory, journal));
    // Around every end of a record, and here and there within one.
    const cuts = Array.from({ length: bytes.length + 1 }, (_, length) => length).filter(
      (length) =>
        length % 23 === 0 || [0, 1, 2].some((back) => bytes[length - back] === 0x0a || length + back >= bytes.length),
    );
    for (const length of cuts) {
      const copy = copyOf(directory);
      truncateSync(join(copy, journal), length);
      const complete = bytes.subarray(0, length).toString("latin1").split("\n").length - 1;
      const reopened = await open(copy);
      expect(contents(reopened), `cut at ${length}`).toEqual(states[complete]);
      expect(reopened.revision).toBe(complete);
      const next = reopened.put("configmaps", "n", "later", objectOf("later", 0));
      expect(next.revision).toBe(complete + 1);
      await reopened.close();
      const third = await open(copy);
      expect(contents(third)).toHaveLength(complete + 1);
      await third.close();
    }
    await store.close();
  });

  it("refuses a damaged record that is not the last one, naming the file", async () => {
    const directory = folder();
    const store = await open(directory);
    for (let index = 0; index < 3; index++) store.put("configmaps", "n", `o${index}`, objectOf(`o${index}`, index));
    await store.close();
    const journal = join(directory, readdirSync(directory).find((name) => name.startsWith("journal")) ?? "");
    const bytes = readFileSync(journal);
    bytes[30] = 0x21;
    writeFileSync(journal, bytes);
    await expect(open(directory)).rejects.toMatchObject({
      code: "state_corrupt",
      message: expect.stringContaining(journal) as string,
    });
  });

  it("replaces a long journal by a snapshot and survives a kill at any moment of it", async () => {
    const directory = folder();
    const store = await open(directory, 20_000);
    const copies: { path: string; state: JsonObject[]; revision: number }[] = [];
    for (let index = 0; index < 600; index++) {
      const name = `o${index % 20}`;
      if (index % 7 === 6 && store.collection("configmaps").get("n", name) !== undefined)
        store.remove("configmaps", "n", name, objectOf(name, index));
      else store.put("configmaps", "n", name, objectOf(name, index));
      if (index % 40 === 39) {
        await new Promise((resolve) => setImmediate(resolve));
        copies.push({ path: copyOf(directory), state: contents(store), revision: store.revision });
      }
    }
    await store.close();
    expect(readdirSync(directory).some((name) => name.startsWith("snapshot"))).toBe(true);
    for (const { path, state, revision } of copies) {
      const reopened = await open(path);
      expect(contents(reopened)).toEqual(state);
      expect(reopened.revision).toBe(revision);
      await reopened.close();
    }
  });

  it("keeps a second process out of its folder and takes over from a dead one", async () => {
    const directory = folder();
    writeFileSync(join(directory, "lock"), String(process.ppid));
    await expect(open(directory)).rejects.toMatchObject({ code: "state_locked" });
    // Above the largest process id that Linux gives out.
    writeFileSync(join(directory, "lock"), "4194305");
    await (await open(directory)).close();
  });
});
