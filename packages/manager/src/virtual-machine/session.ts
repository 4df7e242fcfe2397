import { context as contexts, defaultTextMapSetter } from "@opentelemetry/api";
import { isKubeError } from "@almanac/kube";
import type { ReconcileContext } from "@almanac/controller";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { ManagerContext } from "../context.ts";
import { fieldManager } from "../provider/workload.ts";
import { statusPatch } from "../status-patch.ts";
import { finalizer, journalAnnotation, readJournal, traceAnnotation, writeJournal } from "./journal.ts";
import type { Journal } from "./journal.ts";

export type MachineStatus = NonNullable<VirtualMachine["status"]>;

/**
 * One reconcile's hold on a machine's object. The journal is changed in memory and becomes the object's with `commit`; what depends on a
 * result being kept, its count above all, waits for that.
 */
export interface Session {
  /** As the last write left it. */
  readonly vm: VirtualMachine;
  journal: Journal;
  /** Runs `then` once the present journal is on the object. */
  afterCommit(then: () => void): void;
  /** Writes the journal if it differs, and the finalizer with it. With `release` both go. Rejects with KubeError. */
  commit(options?: { readonly release?: boolean }): Promise<void>;
  /** Writes what differs. Rejects with KubeError. */
  writeStatus(status: MachineStatus): Promise<void>;
}

const commitTries = 4;

export function createSession(
  manager: Pick<ManagerContext, "resources" | "telemetry">,
  object: VirtualMachine,
  context: ReconcileContext<VirtualMachine>,
): Session {
  const { virtualMachines } = manager.resources;
  let vm = object;
  let waiting: (() => void)[] = [];
  const options = { type: "merge", fieldManager, signal: context.signal } as const;

  function take(written: VirtualMachine): void {
    vm = written;
    context.observe(written);
  }

  function annotations(release: boolean): Record<string, string | null> {
    const known = vm.metadata.annotations ?? {};
    const before = known[journalAnnotation] === undefined ? undefined : readJournal(vm).attempt?.startedAtMs;
    const { attempt } = session.journal;
    const changed: Record<string, string | null> = {};
    const text = release ? null : writeJournal(session.journal);
    if (text !== (known[journalAnnotation] ?? null)) changed[journalAnnotation] = text;
    if (!release && attempt !== undefined) {
      // The operation's trace is that of the reconcile that began it.
      if (attempt.startedAtMs !== before) {
        const carrier: Record<string, string> = {};
        manager.telemetry.propagator.inject(contexts.active(), carrier, defaultTextMapSetter);
        changed[traceAnnotation] = carrier["traceparent"] ?? null;
      }
    } else if (known[traceAnnotation] !== undefined) changed[traceAnnotation] = null;
    return changed;
  }

  function finalizers(release: boolean): string[] | undefined {
    const present = vm.metadata.finalizers ?? [];
    if (release) return present.filter((name) => name !== finalizer);
    if (present.includes(finalizer) || vm.metadata.deletionTimestamp !== undefined) return undefined;
    return [...present, finalizer];
  }

  async function patchMetadata(release: boolean): Promise<void> {
    const base = vm.metadata.annotations?.[journalAnnotation];
    for (let tries = 1; ; tries++) {
      const changed = annotations(release);
      const wanted = finalizers(release);
      if (Object.keys(changed).length === 0 && wanted === undefined) return;
      const body = {
        metadata: {
          resourceVersion: vm.metadata.resourceVersion,
          ...(Object.keys(changed).length === 0 ? {} : { annotations: changed }),
          ...(wanted === undefined ? {} : { finalizers: wanted }),
        },
      };
      try {
        return take(await virtualMachines.patch(vm.metadata, body, options));
      } catch (error) {
        // Gone means released: by someone who removed the finalizer by hand.
        if (release && isKubeError(error, "not_found")) return;
        if (!isKubeError(error, "conflict") || tries === commitTries) throw error;
        const live = await virtualMachines.get(vm.metadata, { signal: context.signal });
        const same = live.metadata.uid === vm.metadata.uid;
        // Only the journal's own change is a real conflict: then another process goes on with this machine, and what it counts is not ours.
        if (!same || live.metadata.annotations?.[journalAnnotation] !== base) throw error;
        vm = live;
      }
    }
  }

  const session: Session = {
    get vm() {
      return vm;
    },
    journal: readJournal(object),
    afterCommit(then) {
      waiting.push(then);
    },
    async commit({ release = false } = {}) {
      await patchMetadata(release);
      const due = waiting;
      waiting = [];
      for (const then of due) then();
    },
    async writeStatus(status) {
      const patch = statusPatch(vm.status, status);
      if (patch === undefined) return;
      try {
        take(await virtualMachines.patch(vm.metadata, { status: patch }, { ...options, subresource: "status" }));
      } catch (error) {
        if (!isKubeError(error, "not_found")) throw error;
      }
    },
  };
  return session;
}
