/* eslint-disable @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call -- answers are read as the JSON they are */
import type { ApiServer } from "../index.ts";
import type { Watch, WatchLine } from "../../conformance/client.ts";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createVirtualClock } from "@almanac/testkit";
import { createClient } from "../../conformance/client.ts";
import { embedded } from "../../conformance/embedded.ts";
import { createApiServer } from "../index.ts";

interface Shown {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly data?: Record<string, string>;
}

const servers: ApiServer[] = [];

async function start(options: Parameters<typeof createApiServer>[0] = {}) {
  const server = await createApiServer(options);
  servers.push(server);
  return { server, client: createClient(embedded(server)) };
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

type Client = Awaited<ReturnType<typeof start>>["client"];

const path = "/api/v1/namespaces/default/configmaps";

function configMap(name: string, value: number, tier: string) {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, labels: { tier } }, data: { value: String(value) } };
}

/** A client's cache: lists, watches, resumes, and lists again when told that it is too late. */
class Replica {
  readonly objects = new Map<string, string>();
  relists = 0;
  private revision = 0n;
  private watch: Watch | undefined;
  private readonly client: Client;
  private readonly query: string;
  private readonly streaming: boolean;

  constructor(client: Client, query: string, streaming: boolean) {
    this.client = client;
    this.query = query;
    this.streaming = streaming;
  }

  async connect(): Promise<void> {
    if (this.watch !== undefined) return;
    if (this.revision === 0n && !this.streaming) await this.relist();
    const from =
      this.revision === 0n
        ? "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        : `&resourceVersion=${this.revision}`;
    if (this.revision === 0n) this.objects.clear();
    this.watch = await this.client.watch(`${path}?watch=true&allowWatchBookmarks=true${from}${this.query}`);
  }

  private async relist(): Promise<void> {
    this.relists++;
    this.objects.clear();
    let next = "";
    do {
      const page = await this.client.expect(
        200,
        "GET",
        `${path}?limit=3${this.query}${next === "" ? "" : `&continue=${next}`}`,
      );
      for (const item of page.items as Shown[]) this.objects.set(item.metadata.name, text(item));
      next = page.metadata.continue ?? "";
      this.revision = BigInt(page.metadata.resourceVersion);
    } while (next !== "");
  }

  async drop(): Promise<void> {
    await this.watch?.[Symbol.asyncDispose]();
    this.watch = undefined;
  }

  /** Reads until a bookmark or event says that `revision` has been reached. */
  async catchUp(revision: bigint): Promise<void> {
    while (this.revision < revision) {
      await this.connect();
      const line = await this.watch?.next();
      if (line === undefined || line.type === "ERROR") {
        expect(line?.object.code ?? 410).toBe(410);
        await this.drop();
        this.revision = 0n;
      } else this.apply(line);
    }
  }

  async readSome(count: number): Promise<void> {
    for (let index = 0; index < count && this.watch !== undefined; index++) {
      const line = await Promise.race([
        this.watch.next(),
        new Promise<"idle">((resolve) => setTimeout(() => resolve("idle"), 5)),
      ]);
      // What was left unread would be lost with the race.
      if (line === "idle" || line === undefined || line.type === "ERROR") {
        await this.drop();
        if (line !== "idle") this.revision = 0n;
        return;
      }
      this.apply(line);
    }
  }

  private apply({ type, object }: WatchLine): void {
    const shown = object as Shown;
    const revision = BigInt(shown.metadata.resourceVersion);
    if (type === "ADDED" || type === "MODIFIED") this.objects.set(shown.metadata.name, text(shown));
    if (type === "DELETED") {
      expect(this.objects.has(shown.metadata.name), `DELETED of unknown ${shown.metadata.name}`).toBe(true);
      this.objects.delete(shown.metadata.name);
    }
    if (type === "BOOKMARK" || this.revision !== 0n) {
      expect(revision >= this.revision, "revisions never go back").toBe(true);
      this.revision = revision;
    }
  }
}

function text(object: Shown): string {
  return `${object.metadata.resourceVersion} ${JSON.stringify(object.data)}`;
}

describe("watches", () => {
  it("let clients that come and go rebuild exactly what is stored", { timeout: 60_000 }, async () => {
    const step = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({ kind: fc.constant("write" as const), name: fc.nat(7), tier: fc.constantFrom("a", "b") }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), name: fc.nat(7) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("drop" as const), replica: fc.nat(3) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("connect" as const), replica: fc.nat(3) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("read" as const), replica: fc.nat(3), count: fc.nat(6) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget" as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
        const { server, client } = await start({ history: { events: 12 }, bookmarkIntervalMs: 20 });
        const selected = "&labelSelector=tier%3Da";
        const replicas = [
          new Replica(client, "", false),
          new Replica(client, "", true),
          new Replica(client, selected, false),
          new Replica(client, selected, true),
        ];
        let value = 0;
        for (const one of steps) {
          if (one.kind === "write") {
            const body = configMap(`o${one.name}`, value++, one.tier);
            const { status } = await client.call("PUT", `${path}/${body.metadata.name}`, body);
            if (status === 404) await client.expect(201, "POST", path, body);
          } else if (one.kind === "delete") await client.call("DELETE", `${path}/o${one.name}`);
          else if (one.kind === "drop") await replicas[one.replica]?.drop();
          else if (one.kind === "connect") await replicas[one.replica]?.connect();
          else if (one.kind === "read") await replicas[one.replica]?.readSome(one.count);
          else server.store.forgetHistory();
        }
        const stored = server.store.list("configmaps", "default") as unknown as (Shown & {
          metadata: { labels: { tier: string } };
        })[];
        for (const [index, replica] of replicas.entries()) {
          await replica.catchUp(BigInt(server.store.resourceVersion));
          const wanted = stored.filter((object) => index < 2 || object.metadata.labels.tier === "a");
          expect(Object.fromEntries(replica.objects), `replica ${index}`).toEqual(
            Object.fromEntries(wanted.map((object) => [object.metadata.name, text(object)])),
          );
          await replica.drop();
        }
        await server.close();
      }),
      { numRuns: 25 },
    );
  });

  it("answer 410 in an ERROR event when the resourceVersion has been forgotten", async () => {
    const { server, client } = await start({ history: { events: 3 } });
    const first = await client.expect(201, "POST", path, configMap("a", 0, "a"));
    for (let value = 1; value < 6; value++) await client.expect(200, "PUT", `${path}/a`, configMap("a", value, "a"));
    await using watch = await client.watch(`${path}?watch=true&resourceVersion=${first.metadata.resourceVersion}`);
    expect(watch.status).toBe(200);
    const line = await watch.next();
    expect(line).toMatchObject({ type: "ERROR", object: { kind: "Status", reason: "Expired", code: 410 } });
    expect(line?.object.message).toMatch(/^too old resource version: \d+ \(\d+\)$/);
    expect(await watch.next()).toBeUndefined();
    expect(server.store.list("configmaps", "default")).toHaveLength(1);
  });

  it("answer lists of a forgotten revision with 410 and a token to go on with", async () => {
    const { server, client } = await start();
    for (const name of ["a", "b", "c"]) await client.expect(201, "POST", path, configMap(name, 0, "a"));
    const first = await client.expect(200, "GET", `${path}?limit=1`);
    await client.expect(201, "POST", path, configMap("d", 0, "a"));
    server.store.forgetHistory();
    const status = await client.expect(410, "GET", `${path}?limit=1&continue=${first.metadata.continue}`);
    expect(status.reason).toBe("Expired");
    const rest = await client.expect(200, "GET", `${path}?continue=${status.metadata.continue}`);
    expect(rest.items.map((item: Shown) => item.metadata.name)).toEqual(["b", "c", "d"]);
  });

  it("send bookmarks at their interval to those who asked", async () => {
    const clock = createVirtualClock();
    const { server, client } = await start({ clock, bookmarkIntervalMs: 60_000 });
    await using watch = await client.watch(
      `${path}?watch=true&allowWatchBookmarks=true&resourceVersion=${server.store.resourceVersion}`,
    );
    await client.expect(201, "POST", "/api/v1/namespaces/default/secrets", {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s" },
    });
    await clock.advance(60_000);
    const line = await watch.next();
    expect(line).toEqual({
      type: "BOOKMARK",
      object: {
        kind: "ConfigMap",
        apiVersion: "v1",
        metadata: { resourceVersion: String(server.store.resourceVersion) },
      },
    });
  });

  it("are closed when they read too slowly", async () => {
    const { server, client } = await start({ watchBufferBytes: 50_000 });
    const controller = new AbortController();
    const headers = { authorization: `Bearer ${server.token}` };
    const response = await fetch(`${server.url}${path}?watch=true`, { headers, signal: controller.signal });
    const big = "x".repeat(500_000);
    for (let index = 0; index < 60; index++) {
      await client.expect(201, "POST", path, { ...configMap(`big${index}`, 0, "a"), data: { big } });
    }
    await expect(
      (async () => {
        for await (const _ of response.body ?? []);
      })(),
    ).rejects.toThrow();
    controller.abort();
  });

  it("end when the server closes", async () => {
    const { server, client } = await start();
    await using watch = await client.watch(`${path}?watch=true`);
    await server.close();
    expect(await watch.next()).toBeUndefined();
  });
});
