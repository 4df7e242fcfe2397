import http from "node:http";
import type { AddressInfo } from "node:net";
import { createKubeClient, type KubeClient, type KubeClientOptions } from "./client.ts";
import type { KubeConnection } from "./connection.ts";
import type { KubeObject, ResourceDefinition } from "./objects.ts";

/** A resource for the tests of this package. */
export interface Thing extends KubeObject {
  spec?: { value?: number };
}

export const things: ResourceDefinition = {
  group: "example.dev",
  version: "v1",
  plural: "things",
  kind: "Thing",
  namespaced: true,
};

/** What happens to one request instead of the ordinary answer. */
export type Fault =
  | {
      readonly type: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: unknown;
    }
  | { readonly type: "raw"; readonly text: string }
  /** The connection is cut before an answer. */
  | { readonly type: "reset" }
  /** Carried out, but the connection is cut before the answer. */
  | { readonly type: "lose-answer" }
  /** Carried out, but the answer comes at the next `release` only. */
  | { readonly type: "late" }
  /** No answer ever. */
  | { readonly type: "hang" }
  /** Watches only: what is done to the stream once `afterEvents` events were sent. */
  | { readonly type: "stream"; readonly how: StreamFault; readonly afterEvents?: number };

export type StreamFault =
  | "end"
  | "half-open"
  | "reset"
  | "reset-mid-line"
  | "malformed"
  | "long-line"
  | "error-410"
  | "error-500"
  /** Every event twice, and now and then an old one again. */
  | "duplicate";

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly watch: boolean;
}

interface Stream {
  readonly response: http.ServerResponse;
  readonly prefix: string;
  readonly fault: StreamFault | undefined;
  readonly afterEvents: number;
  sent: number;
  silent: boolean;
  readonly past: string[];
}

interface Change {
  readonly path: string;
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: KubeObject;
}

/** A Kubernetes API of one page that does what it is told wrongly. Objects live under their paths, whatever their resource. */
export interface FlakyApi extends AsyncDisposable {
  readonly url: string;
  readonly seen: Seen[];
  /** Asked for each request. */
  fault: (request: Seen) => Fault | undefined;
  readonly version: number;
  /** Watches open now. */
  readonly watches: number;
  put(object: KubeObject, definition?: ResourceDefinition): KubeObject;
  remove(namespace: string, name: string, definition?: ResourceDefinition): void;
  objects(definition?: ResourceDefinition): KubeObject[];
  bookmark(version?: number): void;
  /** Lets the late answers go. */
  release(): void;
  /** Older versions than the present one are answered with 410. */
  compact(): void;
  /** Everything is gone and versions start over, as after a restore. */
  reset(): void;
  client(options?: KubeClientOptions, connection?: Partial<KubeConnection>): KubeClient;
}

export async function startFlakyApi(): Promise<FlakyApi> {
  let version = 100;
  let compacted = 0;
  const objects = new Map<string, KubeObject>();
  let changes: Change[] = [];
  const streams = new Set<Stream>();
  const seen: Seen[] = [];
  const late: (() => void)[] = [];

  const collectionOf = (definition: ResourceDefinition, namespace: string): string =>
    `${definition.group === "" ? "/api" : `/apis/${definition.group}`}/${definition.version}/namespaces/${namespace}/${definition.plural}`;
  // A scope without a namespace stands for all of them.
  const within = (path: string, scope: string): boolean =>
    (scope.includes("/namespaces/") ? path : path.replace(/\/namespaces\/[^/]+/, "")).startsWith(`${scope}/`);

  function send(stream: Stream, type: string, object: unknown): void {
    if (stream.silent) return;
    const line = `${JSON.stringify({ type, object })}\n`;
    if (stream.fault !== undefined && stream.fault !== "duplicate" && stream.sent >= stream.afterEvents) {
      misbehave(stream, line);
      return;
    }
    stream.sent += 1;
    stream.response.write(line);
    if (stream.fault === "duplicate") {
      stream.past.push(line);
      stream.response.write(line);
      stream.response.write(stream.past[Math.floor(stream.past.length / 2)]!);
    }
  }

  function misbehave(stream: Stream, line: string): void {
    const { response } = stream;
    stream.silent = true;
    switch (stream.fault) {
      case "half-open":
      case "duplicate":
      case undefined:
        return;
      case "end":
        response.end();
        return;
      case "reset":
        response.destroy();
        return;
      case "reset-mid-line":
        response.write(line.slice(0, line.length / 2), () => response.destroy());
        return;
      case "malformed":
        response.write(`{"type":"MODIFIED","object":{\n`);
        return;
      case "long-line":
        response.write("x".repeat(100_000));
        return;
      case "error-410":
        response.write(
          `${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired", message: "too old" } })}\n`,
        );
        return;
      case "error-500":
        response.write(
          `${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 500, reason: "InternalError", message: "etcd" } })}\n`,
        );
        return;
    }
  }

  function change(type: Change["type"], path: string, object: KubeObject): KubeObject {
    version += 1;
    const stamped = structuredClone(object);
    stamped.metadata.resourceVersion = String(version);
    if (type === "DELETED") objects.delete(path);
    else objects.set(path, stamped);
    changes.push({ path, version, type, object: stamped });
    for (const stream of streams) if (within(path, stream.prefix)) send(stream, type, stamped);
    return stamped;
  }

  function status(
    response: http.ServerResponse,
    code: number,
    reason: string,
    message = reason,
    headers: Record<string, string> = {},
  ): void {
    response.writeHead(code, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify({ kind: "Status", status: "Failure", code, reason, message }));
  }

  function ok(response: http.ServerResponse, body: unknown, code = 200): void {
    response.writeHead(code, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  }

  function watch(request: Seen, response: http.ServerResponse, fault: Fault | undefined): void {
    const from = Number(request.query.get("resourceVersion") ?? "0");
    if (from < compacted) {
      status(response, 410, "Expired", `too old resource version: ${from} (${compacted})`);
      return;
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const stream: Stream = {
      response,
      prefix: request.path,
      fault: fault?.type === "stream" ? fault.how : undefined,
      afterEvents: fault?.type === "stream" ? (fault.afterEvents ?? 0) : 0,
      sent: 0,
      silent: false,
      past: [],
    };
    streams.add(stream);
    response.on("close", () => streams.delete(stream));
    if (
      stream.fault !== undefined &&
      stream.fault !== "duplicate" &&
      fault?.type === "stream" &&
      fault.afterEvents === undefined
    ) {
      misbehave(stream, `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"${version}"}}}\n`);
    }
    for (const past of changes)
      if (past.version > from && within(past.path, request.path)) send(stream, past.type, past.object);
  }

  function list(request: Seen, response: http.ServerResponse): void {
    const [listVersion, after] = (request.query.get("continue") ?? `${version}/`).split(/\/(.*)/s) as [string, string];
    if (Number(listVersion) < compacted) {
      status(response, 410, "Expired", "the continue token is too old");
      return;
    }
    const limit = Number(request.query.get("limit") ?? "0") || Infinity;
    const paths = [...objects.keys()].filter((path) => within(path, request.path) && path > after).sort();
    const page = paths.slice(0, limit);
    const rest = paths.length > page.length;
    const metadata = { resourceVersion: listVersion, ...(rest ? { continue: `${listVersion}/${page.at(-1)}` } : {}) };
    ok(response, { kind: "List", metadata, items: page.map((path) => ({ metadata: {}, ...objects.get(path) })) });
  }

  function write(request: Seen, body: Partial<KubeObject>, response: http.ServerResponse): void {
    const named = request.method === "POST" ? `${request.path}/${body.metadata?.name}` : request.path;
    const old = objects.get(named);
    const expected = body.metadata?.resourceVersion;
    if (request.method === "POST") {
      if (old !== undefined) return status(response, 409, "AlreadyExists");
      return ok(
        response,
        change("ADDED", named, { ...body, metadata: { ...body.metadata!, uid: `uid-${version}` } }),
        201,
      );
    }
    if (old === undefined) return status(response, 404, "NotFound");
    if (request.method === "DELETE") {
      change("DELETED", named, old);
      return ok(response, { kind: "Status", status: "Success" });
    }
    if (expected !== undefined && expected !== old.metadata.resourceVersion) return status(response, 409, "Conflict");
    const next = request.method === "PUT" ? body : { ...old, ...body, metadata: old.metadata };
    return ok(response, change("MODIFIED", named, next as KubeObject));
  }

  async function handle(incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? "/", "http://localhost");
    const request: Seen = {
      method: incoming.method ?? "GET",
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      watch: url.searchParams.get("watch") === "true",
    };
    seen.push(request);
    let text = "";
    for await (const chunk of incoming) text += String(chunk);
    const fault = api.fault(request);
    switch (fault?.type) {
      case "hang":
        return;
      case "reset":
        response.destroy();
        return;
      case "raw":
        response.end(fault.text);
        return;
      case "status":
        response.writeHead(fault.status, { "content-type": "application/json", ...fault.headers });
        response.end(
          fault.body === undefined ? "" : typeof fault.body === "string" ? fault.body : JSON.stringify(fault.body),
        );
        return;
      case "late": {
        // Only what is written to the network waits; the request is carried out now.
        const end = response.end.bind(response) as (body?: unknown) => http.ServerResponse;
        response.end = ((body?: unknown) => {
          late.push(() => end(body));
          return response;
        }) as typeof response.end;
        break;
      }
      case "lose-answer":
      case "stream":
      case undefined:
        break;
    }
    if (request.watch) watch(request, response, fault);
    else if (request.method !== "GET") {
      if (fault?.type === "lose-answer") {
        const nowhere = { writeHead() {}, end: () => response.destroy() };
        write(
          request,
          (text === "" ? {} : JSON.parse(text)) as Partial<KubeObject>,
          nowhere as unknown as http.ServerResponse,
        );
      } else write(request, (text === "" ? {} : JSON.parse(text)) as Partial<KubeObject>, response);
    } else if (/\/(things|leases|events)$/.test(request.path)) list(request, response);
    else {
      const found = objects.get(request.path);
      if (found === undefined) status(response, 404, "NotFound");
      else ok(response, found);
    }
  }

  const server = http.createServer((incoming, response) => {
    handle(incoming, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clients: KubeClient[] = [];

  const api: FlakyApi = {
    url,
    seen,
    fault: () => undefined,
    get version() {
      return version;
    },
    get watches() {
      return streams.size;
    },
    put(object, definition = things) {
      const path = `${collectionOf(definition, object.metadata.namespace ?? "default")}/${object.metadata.name}`;
      const old = objects.get(path);
      const metadata = { ...object.metadata, uid: old?.metadata.uid ?? `uid-${version}` };
      return change(old === undefined ? "ADDED" : "MODIFIED", path, { ...object, metadata });
    },
    remove(namespace, name, definition = things) {
      const path = `${collectionOf(definition, namespace)}/${name}`;
      const old = objects.get(path);
      if (old !== undefined) change("DELETED", path, old);
    },
    objects: (definition = things) =>
      [...objects].filter(([path]) => path.includes(`/${definition.plural}/`)).map(([, object]) => object),
    bookmark(at = version) {
      for (const stream of streams)
        send(stream, "BOOKMARK", { kind: "Thing", metadata: { resourceVersion: String(at) } });
    },
    release() {
      for (const answer of late.splice(0)) answer();
    },
    compact() {
      compacted = version;
      changes = [];
    },
    reset() {
      objects.clear();
      changes = [];
      compacted = 0;
      version = 1;
    },
    client(options, connection) {
      const client = createKubeClient({ server: url, ...connection }, options);
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client[Symbol.dispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return api;
}

/** Waits, in real time, until `condition` holds. `step` runs between two looks, e.g. to move a virtual clock on. */
export async function eventually(
  condition: () => boolean,
  step: () => Promise<void> = async () => {},
  what = "the condition",
): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come true within 10 s`);
    await step();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
