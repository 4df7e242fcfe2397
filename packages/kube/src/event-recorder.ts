import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import { silentLogger, sleep, systemClock, type Clock, type Logger } from "@almanac/core";
import type { KubeClient } from "./client.ts";
import { isKubeError, KubeError } from "./error.ts";
import { createEventCorrelator, recent } from "./event-correlator.ts";
import type { KubeObject, ResourceDefinition } from "./objects.ts";

export interface EventRecorderOptions {
  /** Who reports, e.g. `virtrigaud-manager`. */
  readonly component: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Events waiting to be sent; the oldest go first when there are more. Default: 1,000. */
  readonly maxQueued?: number;
}

export interface ObjectEvent {
  readonly type: "Normal" | "Warning";
  /** UpperCamelCase, e.g. `Created`. */
  readonly reason: string;
  /** For people; cut at 1,024 bytes. */
  readonly message: string;
  /** Appended to the message; events that differ in nothing else are the same, and the latest note is shown. */
  readonly note?: string;
}

/** Writes Events about objects. Disposing sends what waits, for five seconds at most. */
export interface EventRecorder extends AsyncDisposable {
  /** Queues an event about `object`; never throws and never waits. */
  record(object: KubeObject, event: ObjectEvent): void;
  /** Resolves when everything queued was sent or given up. Rejects with the signal's reason. */
  flush(signal?: AbortSignal): Promise<void>;
}

/** `v1` Event, which `kubectl describe` shows. */
interface CoreEvent extends KubeObject {
  involvedObject: {
    apiVersion?: string;
    kind?: string;
    namespace?: string;
    name: string;
    uid?: string;
    resourceVersion?: string;
  };
  type: string;
  reason: string;
  message: string;
  source: { component: string };
  reportingComponent: string;
  reportingInstance: string;
  firstTimestamp: string;
  lastTimestamp: string;
  count: number;
}

interface Written {
  readonly namespace: string;
  readonly name: string;
  count: number;
}

interface Job {
  readonly identity: string;
  readonly object: CoreEvent["involvedObject"];
  readonly event: ObjectEvent;
  readonly at: number;
}

const eventResource: ResourceDefinition = {
  group: "",
  version: "v1",
  plural: "events",
  kind: "Event",
  namespaced: true,
};
const maxMessageBytes = 1024;
const tries = 4;
const closingMs = 5_000;

/**
 * Sends Events one after another beside the caller's work. The same event again raises `count` and `lastTimestamp` of the first one;
 * many similar ones become one; an object that reports too much is cut short. Failures are logged and never reach the caller.
 * Source: client-go, tools/record.
 */
export function createEventRecorder(client: KubeClient, options: EventRecorderOptions): EventRecorder {
  const { component, clock = systemClock, maxQueued = 1_000 } = options;
  const logger = (options.logger ?? silentLogger).child({ recorder: component });
  const events = client.resource<CoreEvent>(eventResource);
  const correlator = createEventCorrelator(clock);
  const written = new Map<string, Written>();
  const queue: Job[] = [];
  const closing = new AbortController();
  let sending: Promise<void> | undefined;
  let dropped = 0;
  let serial = 0;

  async function send(job: Job): Promise<void> {
    const known = written.get(job.identity);
    const at = new Date(job.at).toISOString().replace(/\.\d+Z$/, "Z");
    if (known !== undefined) {
      try {
        const body = { count: known.count + 1, lastTimestamp: at, message: job.event.message };
        await events.patch(known, body, { type: "merge", signal: closing.signal });
        known.count += 1;
        recent(written, job.identity, () => known);
        return;
      } catch (error) {
        // Events expire after an hour; then it is a first one again.
        if (!isKubeError(error, "not_found")) throw error;
        written.delete(job.identity);
      }
    }
    // An object without a namespace is reported in `default`, as the API server demands.
    const namespace = job.object.namespace ?? "default";
    const suffix = `${job.at.toString(16)}${(serial++ & 0xffff).toString(16).padStart(4, "0")}`;
    const name = `${job.object.name.slice(0, 200)}.${suffix}`;
    await events.create(
      {
        metadata: { namespace, name },
        involvedObject: job.object,
        ...job.event,
        source: { component },
        reportingComponent: component,
        reportingInstance: "",
        firstTimestamp: at,
        lastTimestamp: at,
        count: 1,
      },
      { signal: closing.signal },
    );
    recent(written, job.identity, () => ({ namespace, name, count: 1 }));
  }

  async function sendAll(): Promise<void> {
    for (let job = queue.shift(); job !== undefined && !closing.signal.aborted; job = queue.shift()) {
      for (let attempt = 1; ; attempt++) {
        try {
          await send(job);
          break;
        } catch (thrown) {
          const error = KubeError.from(thrown);
          if (closing.signal.aborted || !error.isRetryable || attempt === tries) {
            logger.warn("an event was not recorded", {
              reason: job.event.reason,
              code: error.code,
              error: error.message,
            });
            break;
          }
          await sleep(500 * 2 ** attempt, { clock, signal: closing.signal }).catch(() => {});
        }
      }
    }
    sending = undefined;
  }

  function enqueue(object: KubeObject, event: ObjectEvent): void {
    const { namespace, name, uid, resourceVersion } = object.metadata;
    const about = JSON.stringify([object.kind, namespace, name, uid]);
    const message = cut(event.message);
    const correlated = correlator.correlate({ object: about, type: event.type, reason: event.reason, message });
    if (correlated === undefined) return;
    if (queue.length >= maxQueued) {
      queue.shift();
      if (dropped++ === 0) logger.warn("events are dropped, the API server takes them too slowly", { maxQueued });
    }
    queue.push({
      identity: correlated.identity,
      object: {
        ...(object.apiVersion === undefined ? {} : { apiVersion: object.apiVersion }),
        ...(object.kind === undefined ? {} : { kind: object.kind }),
        ...(namespace === undefined ? {} : { namespace }),
        name,
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
      event: { type: event.type, reason: event.reason, message: withNote(correlated.message, event.note) },
      at: clock.now(),
    });
    // Not part of what the reporter does just now, and longer under way than that.
    sending ??= context.with(ROOT_CONTEXT, sendAll);
  }

  async function flush(signal?: AbortSignal): Promise<void> {
    while (sending !== undefined) {
      signal?.throwIfAborted();
      const aborted = Promise.withResolvers<never>();
      const onAbort = (): void => aborted.reject(signal?.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
      await Promise.race([sending, aborted.promise]).finally(() => signal?.removeEventListener("abort", onAbort));
    }
  }

  return {
    record(object, event) {
      if (closing.signal.aborted) return;
      try {
        enqueue(object, event);
      } catch (error) {
        logger.warn("an event was not recorded", { reason: event.reason, error });
      }
    },
    flush,
    async [Symbol.asyncDispose]() {
      const patience = clock.setTimeout(() => closing.abort(), closingMs);
      await flush();
      patience.cancel();
      closing.abort();
    },
  };
}

/** The note is short and whole; the message gives way to it. */
function withNote(message: string, note: string | undefined): string {
  if (note === undefined) return cut(message);
  return `${cut(message, maxMessageBytes - Buffer.byteLength(note) - 1)} ${note}`;
}

/** At most so many bytes of UTF-8, whole characters. */
function cut(message: string, maxBytes = maxMessageBytes): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= maxBytes) return message;
  return `${bytes.toString("utf8", 0, maxBytes - 4).replace(/\uFFFD$/, "")}…`;
}
