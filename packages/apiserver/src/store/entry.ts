import type { JsonObject } from "../schema/index.ts";

/** One stored object. Nothing in it ever changes; a write makes a new one. */
export interface Entry {
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  /** `namespace/name` or `name`: the order of lists. */
  readonly key: string;
  readonly object: JsonObject;
  /** The object as JSON, made once and shared by journal, lists and watches. */
  readonly json: string;
  readonly revision: number;
}

export type EventType = "ADDED" | "MODIFIED" | "DELETED";

/** One write. For DELETED `entry` is the last state with the revision of the deletion. */
export interface StoreEvent {
  readonly type: EventType;
  readonly revision: number;
  readonly entry: Entry;
  /** The state before, undefined for ADDED. */
  readonly previous: Entry | undefined;
  /** Encoded frames by representation, filled by the watches that share them. */
  readonly frames: Map<string, Buffer>;
}

export function keyOf(namespace: string, name: string): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}
