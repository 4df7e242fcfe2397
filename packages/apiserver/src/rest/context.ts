import type { Clock, Logger } from "@almanac/core";
import type { Kind, KindVersion } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import type { Entry } from "../store/entry.ts";
import type { Store } from "../store/store.ts";

/** What every operation works on. */
export interface ServerContext {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The resource that a request is about. */
export interface Target {
  readonly kind: Kind;
  readonly version: KindVersion;
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  /** Empty for requests to the whole collection. */
  readonly name: string;
  readonly subresource: string;
}

export type FieldValidation = "Ignore" | "Warn" | "Strict";

export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
  /** Fields that the body names twice. */
  readonly duplicates?: readonly string[];
  /** Takes over conflicting fields of an apply. */
  readonly force: boolean;
  /** Adds a Warning header to the answer. */
  warn(text: string): void;
}

/** The outcome of a write: what is stored now, or would be. */
export interface Written {
  readonly entry: Entry;
  readonly created: boolean;
}
