import type { Clock, Logger } from "@almanac/core";
import type { KubeClient } from "./client.ts";
import type { KubeObject } from "./objects.ts";

export interface EventRecorderOptions {
  /** Who reports, e.g. `virtrigaud-manager`. */
  readonly component: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface ObjectEvent {
  readonly type: "Normal" | "Warning";
  /** UpperCamelCase, e.g. `Created`. */
  readonly reason: string;
  /** For people; cut at 1,024 bytes. */
  readonly message: string;
}

export interface EventRecorder extends AsyncDisposable {
  /** Queues an event about `object`; never throws and never waits. */
  record(object: KubeObject, event: ObjectEvent): void;
  /** Resolves when everything queued was sent or given up. */
  flush(signal?: AbortSignal): Promise<void>;
}

export declare function createEventRecorder(client: KubeClient, options: EventRecorderOptions): EventRecorder;
