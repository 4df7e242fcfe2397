import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";

/** A server under load. */
export interface Subject {
  readonly url: string;
  readonly token: string;
  readonly ca: string;
}

/** What the bench asks of a server; every answer is checked, none is parsed. */
export interface Load extends Disposable {
  createNamespace(name: string): Promise<void>;
  /** Creates `count` ConfigMaps, some at a time. Seconds. */
  create(namespace: string, prefix: string, count: number): Promise<number>;
  /** Lists a namespace to the last byte. */
  list(namespace: string): Promise<{ readonly seconds: number; readonly objects: number }>;
  /** Opens `watchers` watches, writes `updates` updates and waits until every watch has seen them all. Seconds of the latter. */
  watch(namespace: string, watchers: number, updates: number): Promise<number>;
}

const parallel = 16;
const updatedObjects = 10;
// About what a custom resource of a machine weighs.
const payload = "x".repeat(600);

export function createLoad({ url, token, ca }: Subject): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: parallel, ca });
  const watchAgent = new Agent({ keepAlive: true, ca });

  function send(
    method: string,
    path: string,
    body?: object,
    contentType = "application/json",
  ): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        accept: "application/json",
        ...(text === undefined ? {} : { "content-type": contentType, "content-length": Buffer.byteLength(text) }),
      };
      const options = { method, headers, agent: path.includes("watch=true") ? watchAgent : agent };
      request(url + path, options, resolve)
        .on("error", reject)
        .end(text);
    });
  }

  async function expect(status: number, response: IncomingMessage, onChunk?: (chunk: Buffer) => void): Promise<void> {
    for await (const chunk of response) onChunk?.(chunk as Buffer);
    if (response.statusCode !== status) throw new Error(`expected ${status}, got ${response.statusCode}`);
  }

  /** Runs `count` tasks, some at a time. */
  async function each(count: number, task: (index: number) => Promise<void>): Promise<void> {
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < count) await task(next++);
    };
    await Promise.all(Array.from({ length: parallel }, work));
  }

  const collection = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps`;
  const configMap = (name: string): object => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, labels: { app: "bench", tier: name.slice(-1) } },
    data: { payload },
  });

  async function create(namespace: string, prefix: string, count: number): Promise<number> {
    const begin = performance.now();
    await each(count, async (index) =>
      expect(201, await send("POST", collection(namespace), configMap(`${prefix}-${index}`))),
    );
    return (performance.now() - begin) / 1000;
  }

  return {
    async createNamespace(name) {
      await expect(
        201,
        await send("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } }),
      );
    },
    create,
    async list(namespace) {
      const begin = performance.now();
      let objects = 0;
      const marker = Buffer.from('"payload":"');
      let rest = Buffer.alloc(0);
      const chunks: Buffer[] = [];
      await expect(200, await send("GET", `${collection(namespace)}?labelSelector=app`), (chunk) => chunks.push(chunk));
      const seconds = (performance.now() - begin) / 1000;
      rest = Buffer.concat(chunks);
      for (let at = rest.indexOf(marker); at >= 0; at = rest.indexOf(marker, at + 1)) objects++;
      return { seconds, objects };
    },
    async watch(namespace, watchers, updates) {
      await create(namespace, "watched", updatedObjects);
      const listed = await send("GET", `${collection(namespace)}?limit=1`);
      let text = "";
      await expect(200, listed, (chunk) => (text += chunk.toString("utf8")));
      const { metadata } = JSON.parse(text) as { metadata: { resourceVersion: string } };
      const path = `${collection(namespace)}?watch=true&resourceVersion=${metadata.resourceVersion}`;
      const streams = await Promise.all(Array.from({ length: watchers }, () => send("GET", path)));
      const seen = Promise.all(streams.map((stream) => lines(stream, updates)));
      const begin = performance.now();
      await each(updates, async (index) => {
        const patch = { data: { count: String(index) } };
        const name = `watched-${index % updatedObjects}`;
        await expect(
          200,
          await send("PATCH", `${collection(namespace)}/${name}`, patch, "application/merge-patch+json"),
        );
      });
      await seen;
      const seconds = (performance.now() - begin) / 1000;
      for (const stream of streams) stream.destroy();
      return seconds;
    },
    [Symbol.dispose]() {
      agent.destroy();
      watchAgent.destroy();
    },
  };
}

/** Resolves when `count` lines have come. */
function lines(stream: IncomingMessage, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = 0;
    stream.on("data", (chunk: Buffer) => {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) seen++;
      if (seen >= count) resolve();
    });
    stream.on("end", () => reject(new Error(`a watch ended after ${seen} of ${count} lines`)));
    stream.on("error", reject);
  });
}
