import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { ApiServer, ApiServerOptions, StoreAccess } from "./options.ts";
import type { ServerContext } from "./rest/context.ts";
import { describeError, silentLogger, systemClock } from "@almanac/core";
import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { ApiServerError } from "./error.ts";
import { createListener } from "./http/listener.ts";
import { createWatchHub } from "./http/watch-hub.ts";
import { initialNamespaces } from "./kinds/namespace.ts";
import { createRegistry } from "./kinds/registry.ts";
import { renderKubeconfig } from "./kubeconfig.ts";
import { createLifecycle } from "./lifecycle/lifecycle.ts";
import { refreshStored } from "./rest/refresh.ts";
import { createObject } from "./rest/write.ts";
import { openJournal } from "./store/journal.ts";
import { createStore } from "./store/store.ts";

const mebibyte = 1024 * 1024;
// How long open requests may finish after close.
const closeGraceMs = 500;

/**
 * Starts an embedded Kubernetes API on a loopback address. Rejects with an ApiServerError: `invalid_options` for a host that is not
 * loopback or an empty token, `listen_failed` when the port is taken, `state_locked` and `state_corrupt` for the state folder.
 */
export async function createApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const {
    host = "127.0.0.1",
    port = 0,
    tls,
    clock = systemClock,
    logger = silentLogger,
    history = {},
    stateDir,
  } = options;
  const tokens = readTokens(options.tokens);
  checkOptions(options, host);
  const journal = stateDir === undefined ? undefined : openJournal({ directory: stateDir, logger });
  try {
    const { events = 10_000, bytes = 64 * mebibyte } = history;
    const store = await createStore({
      maxEvents: events,
      maxBytes: bytes,
      ...(journal === undefined ? {} : { journal }),
    });
    const registry = createRegistry();
    const context: ServerContext = { store, registry, clock, logger };
    const lifecycle = createLifecycle(context);
    registry.onDefined((kind) => refreshStored(store, kind));
    lifecycle.start();
    makeNamespaces(context);
    const hub = createWatchHub(clock, options.bookmarkIntervalMs ?? 60_000);
    registry.onRemoved(({ collection }) => hub.end(collection));
    const { bodyLimitBytes = 3 * mebibyte, watchBufferBytes = 16 * mebibyte, onRequest } = options;
    const server = createListener(context, hub, {
      tls,
      tokens,
      limits: { bodyLimitBytes, watchBufferBytes },
      onRequest,
    });
    const address = await listen(server, host, port);
    const url = `${tls === undefined ? "http" : "https"}://${isIP(host) === 6 ? `[${host}]` : host}:${address.port}`;
    const token = tokens[0] ?? "";

    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= (async () => {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        hub.end();
        server.closeIdleConnections();
        const force = setTimeout(() => server.closeAllConnections(), closeGraceMs);
        await closed;
        clearTimeout(force);
        lifecycle[Symbol.dispose]();
        await store.close();
      })();
      return closing;
    };
    return {
      url,
      port: address.port,
      token,
      kubeconfig: renderKubeconfig(url, token, tls?.ca),
      store: accessTo(context),
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await journal?.close();
    throw error;
  }
}

function readTokens(tokens: readonly string[] | undefined): readonly string[] {
  if (tokens === undefined) return [randomBytes(24).toString("base64url")];
  const bad = tokens.findIndex((token) => !/^\S{8,}$/.test(token));
  if (tokens.length === 0 || bad >= 0) {
    throw new ApiServerError(
      "invalid_options",
      `tokens[${Math.max(bad, 0)}] must have at least 8 characters and no white space; leave tokens out for a random one`,
    );
  }
  return tokens;
}

function checkOptions(options: ApiServerOptions, host: string): void {
  if (!/^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host)) {
    throw new ApiServerError(
      "invalid_options",
      `host=${host} is not a loopback address; use 127.0.0.1, ::1 or localhost`,
    );
  }
  const positive = {
    "history.events": options.history?.events,
    "history.bytes": options.history?.bytes,
    bookmarkIntervalMs: options.bookmarkIntervalMs,
    watchBufferBytes: options.watchBufferBytes,
    bodyLimitBytes: options.bodyLimitBytes,
  };
  for (const [name, value] of Object.entries(positive)) {
    if (value !== undefined && !(Number.isFinite(value) && value > 0))
      throw new ApiServerError("invalid_options", `${name}=${value} must be a positive number`);
  }
}

async function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new ApiServerError(
          "listen_failed",
          `cannot listen on ${host}:${port}: ${describeError(error)}; choose another port`,
          { cause: error },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  return server.address() as AddressInfo;
}

function makeNamespaces(context: ServerContext): void {
  const served = context.registry.find("", "v1", "namespaces");
  if (served === undefined) return;
  for (const name of initialNamespaces) {
    if (context.store.collection("namespaces").get("", name) !== undefined) continue;
    const target = { ...served, namespace: "", name, subresource: "" };
    const object = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
    const options = {
      dryRun: false,
      fieldManager: "almanac",
      fieldValidation: "Ignore" as const,
      force: false,
      warn() {},
    };
    createObject(context, target, object, options);
  }
}

function accessTo({ store, registry }: ServerContext): StoreAccess {
  const collectionOf = (resource: string): string => {
    const kind = registry.kinds.find((one) => one.collection === resource || one.plural === resource);
    return kind?.collection ?? resource;
  };
  return {
    get resourceVersion() {
      return store.revision;
    },
    list: (resource, namespace) =>
      store
        .collection(collectionOf(resource))
        .sorted(namespace)
        .map(({ object }) => object),
    get: (resource, namespace, name) => store.collection(collectionOf(resource)).get(namespace ?? "", name)?.object,
    forgetHistory() {
      for (const [, { history }] of store.collections()) history.clear(store.revision);
    },
  };
}
