import { sleep, systemClock, type Clock } from "@almanac/core";
import type { KubeClient, KubeRequest } from "./client.ts";
import { KubeError, type KubeErrorCode } from "./error.ts";
import type { KubeObject, ResourceDefinition } from "./objects.ts";
import { createResourceClient } from "./resource.ts";

export type FaultVerb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete";

/** What happens to requests, and to which. */
export interface FaultRule {
  /** Default: every verb. */
  readonly verbs?: readonly FaultVerb[];
  /** Plural names, e.g. `configmaps`. Default: every resource. */
  readonly resources?: readonly string[];
  /** Share of the requests that it hits, 0 to 1. Default: 1. */
  readonly rate?: number;
  /** Hits so often and then no more. Default: no limit. */
  readonly times?: number;
  /** The request is held back for so long; with Infinity until its timeout or its signal. Default: 0. */
  readonly latencyMs?: number;
  /** The request fails with this code and is not sent. Default: it is sent. */
  readonly error?: KubeErrorCode;
  /** Told with `error`. */
  readonly retryAfterMs?: number;
  /** The request is carried out, but its answer is lost: it fails with `unavailable`. Default: false. */
  readonly loseAnswer?: boolean;
  /** A watch breaks after so many events. Default: it does not. */
  readonly dropAfterEvents?: number;
}

/** A client that fails as it is told, for tests of controllers. */
export interface FaultyClient extends KubeClient {
  /** Puts a rule into force until it is disposed of; of several that hit a request, the one that was added last counts. */
  inject(rule: FaultRule): Disposable;
  /** Requests that a rule has hit so far. */
  readonly hits: number;
}

/**
 * Wraps `client`, which stays the caller's. Errors are those that the API would answer with, after the client's own retries: what sees
 * them is the code under test. Throws KubeError `invalid_options` for a rate outside of 0 to 1.
 */
export function createFaultyClient(
  client: KubeClient,
  options: { readonly clock?: Clock; readonly random?: () => number; readonly timeoutMs?: number } = {},
): FaultyClient {
  const { clock = systemClock, random = Math.random, timeoutMs = 30_000 } = options;
  const rules = new Map<FaultRule, number>();
  let hits = 0;

  function hit(verb: FaultVerb, path: string): FaultRule | undefined {
    const resource = resourceOf(path);
    for (const [rule, left] of [...rules].reverse()) {
      if (left <= 0 || rule.verbs?.includes(verb) === false || rule.resources?.includes(resource) === false) continue;
      if (rule.rate !== undefined && random() >= rule.rate) continue;
      rules.set(rule, left - 1);
      hits += 1;
      return rule;
    }
    return undefined;
  }

  async function hold(rule: FaultRule | undefined, request: KubeRequest): Promise<void> {
    if (rule === undefined) return;
    const what = `${request.method} ${request.path}`;
    const limitMs = request.timeoutMs ?? timeoutMs;
    const latencyMs = rule.latencyMs ?? 0;
    if (latencyMs > 0) {
      await sleep(Math.min(latencyMs, limitMs), { clock, signal: request.signal }).catch((cause: unknown) => {
        throw new KubeError("cancelled", `${what} was cancelled`, { cause });
      });
      if (latencyMs >= limitMs) throw new KubeError("timeout", `${what}: no answer within ${limitMs} ms`);
    }
    if (rule.error === undefined) return;
    const details = rule.retryAfterMs === undefined ? {} : { retryAfterMs: rule.retryAfterMs };
    throw new KubeError(rule.error, `${what}: an injected fault`, details);
  }

  const faulty: FaultyClient = {
    server: client.server,
    namespace: client.namespace,
    fieldManager: client.fieldManager,
    get hits() {
      return hits;
    },
    inject(rule) {
      if (!((rule.rate ?? 1) >= 0 && (rule.rate ?? 1) <= 1)) {
        throw new KubeError("invalid_options", `a fault's rate must be from 0 to 1, got ${rule.rate}`);
      }
      rules.delete(rule);
      rules.set(rule, rule.times ?? Number.POSITIVE_INFINITY);
      return { [Symbol.dispose]: () => void rules.delete(rule) };
    },
    async request<R>(request: KubeRequest) {
      const rule = hit(verbOf(request), request.path);
      await hold(rule, request);
      const answer = await client.request<R>(request);
      if (rule?.loseAnswer === true)
        throw new KubeError("unavailable", `${request.method} ${request.path}: answer lost`);
      return answer;
    },
    async *stream(request) {
      const rule = hit("watch", request.path);
      await hold(rule, request);
      let events = 0;
      const most = rule?.dropAfterEvents ?? Number.POSITIVE_INFINITY;
      if (most === 0) throw new KubeError("unavailable", `the watch of ${request.path} was dropped`);
      for await (const line of client.stream(request)) {
        yield line;
        events += 1;
        if (events >= most) throw new KubeError("unavailable", `the watch of ${request.path} was dropped`);
      }
    },
    resource: <T extends KubeObject>(definition: ResourceDefinition) => createResourceClient<T>(faulty, definition),
    [Symbol.dispose]() {
      rules.clear();
    },
  };
  return faulty;
}

/** The parts of a path after group and version, without the namespace: plural, name, subresource. */
function partsOf(path: string): string[] {
  const parts = path.split("/").slice(path.startsWith("/apis/") ? 4 : 3);
  return parts[0] === "namespaces" && parts.length > 2 ? parts.slice(2) : parts;
}

function resourceOf(path: string): string {
  return partsOf(path)[0] ?? "";
}

function verbOf({ method, path }: KubeRequest): FaultVerb {
  switch (method) {
    case "GET":
      return partsOf(path).length > 1 ? "get" : "list";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return "delete";
  }
}
