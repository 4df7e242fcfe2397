import { again, done, failure } from "@almanac/controller";
import type { ReconcileContext, Request, Result } from "@almanac/controller";
import { isKubeError } from "@almanac/kube";
import type { Informer, ResourceClient } from "@almanac/kube";
import { findCondition } from "../conditions.ts";
import { countError } from "../context.ts";
import type { ManagerContext } from "../context.ts";
import { ManagerError, classify } from "../error.ts";
import { fieldManager } from "../provider/workload.ts";
import { statusPatch } from "../status-patch.ts";
import type { Observable } from "./frame.ts";

/** Shortest time between two looks at one object for what others do with it, milliseconds. */
const shortestPauseMs = 1_000;

/** What is to be said of an object that stands for nothing at a provider. */
export interface Report<T extends Observable> {
  readonly status: NonNullable<T["status"]>;
  /** Why the object is of no use as it is. */
  readonly refused: string | undefined;
}

/**
 * The reconcile function of a kind that only has a status: what it is worth and who uses it. A thousand machines that come at once are
 * looked at and written about once a second, not a thousand times.
 */
export function createReporter<T extends Observable>(
  manager: ManagerContext,
  kind: {
    readonly informer: Informer<T>;
    readonly resource: ResourceClient<T>;
    report(object: T): Report<T>;
  },
): (request: Request, context: ReconcileContext<T>) => Promise<Result> {
  const { clock } = manager;
  const reportedAt = new Map<string, { readonly atMs: number; readonly generation: number }>();

  return async ({ namespace, name }, context) => {
    const key = `${namespace}/${name}`;
    const object = kind.informer.get(namespace, name);
    if (object === undefined) {
      reportedAt.delete(key);
      return done();
    }
    const { generation } = object.metadata;
    const last = reportedAt.get(key);
    const ageMs = last === undefined ? shortestPauseMs : clock.monotonic() - last.atMs;
    if (last?.generation === generation && ageMs < shortestPauseMs) return again(shortestPauseMs - ageMs);
    reportedAt.set(key, { atMs: clock.monotonic(), generation });
    const { status, refused } = kind.report(object);
    const patch = statusPatch(object.status, status);
    if (patch !== undefined) {
      context.assertCurrent();
      const options = { type: "merge", fieldManager, subresource: "status", signal: context.signal } as const;
      try {
        context.observe(await kind.resource.patch(object.metadata, { status: patch }, options));
      } catch (thrown) {
        context.signal.throwIfAborted();
        if (isKubeError(thrown, "not_found")) return done();
        countError(manager, classify(thrown));
        throw thrown;
      }
    }
    if (refused === undefined) return done();
    const error = new ManagerError("invalid_spec", refused);
    const before = findCondition(object.status?.conditions, "Ready");
    if (before?.status !== "False" || before.observedGeneration !== generation) {
      countError(manager, classify(error));
      manager.events.record(object, { type: "Warning", reason: "InvalidSpec", message: refused });
    }
    return failure(error, { afterMs: 3_600_000 });
  };
}
