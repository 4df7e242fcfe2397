import { again, done } from "@almanac/controller";
import type { ReconcileContext, Request, Result } from "@almanac/controller";
import { ProviderError } from "@almanac/provider";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { VMSnapshot } from "../api/vm-snapshot.ts";
import { findCondition } from "../conditions.ts";
import type { ManagerContext } from "../context.ts";
import { ManagerError } from "../error.ts";
import { createFramedReconciler, longPauseMs, settle } from "../operation/frame.ts";
import type { Problem, Work } from "../operation/frame.ts";
import { createLane } from "../operation/lane.ts";
import type { Lane, Progress, Slot } from "../operation/lane.ts";
import { NotYet } from "../operation/not-yet.ts";
import { countOf, pollDelay } from "../operation/pace.ts";
import { servingPeer } from "../operation/peer.ts";
import type { Peer } from "../operation/peer.ts";
import { createSession, forceDeleteAnnotation } from "../operation/session.ts";
import { referenceKey } from "../resources.ts";
import { machineProvider } from "../virtual-machine/journal.ts";
import { ownJournal } from "../virtual-machine/references.ts";
import { finalizer, isTaken, machineNameOf, snapshotJournal } from "./journal.ts";
import type { About, SnapshotJournal } from "./journal.ts";
import { hasSnapshot } from "./presence.ts";
import { readPolicy, retentionOf } from "./retention.ts";
import type { Retention } from "./retention.ts";
import { machineKeyOf } from "./siblings.ts";
import { snapshotStatus } from "./status.ts";

const timeoutMs = 3_600_000;
/** Timers do not reach further than some weeks; clocks may be set in between. */
const longestSleepMs = 3_600_000;

/** Takes snapshots of machines, keeps them as long as their policy says, and deletes them with their objects. */
export function createSnapshotReconciler(
  manager: ManagerContext,
): (request: Request, context: ReconcileContext<VMSnapshot>) => Promise<Result> {
  return createFramedReconciler(manager, manager.informers.vmSnapshots, (snapshot, context) =>
    snapshotWork(manager, snapshot, context),
  );
}

function snapshotWork(
  manager: ManagerContext,
  snapshot: VMSnapshot,
  context: ReconcileContext<VMSnapshot>,
): Work<VMSnapshot> {
  const { informers, resources, clock, events, instruments } = manager;
  const { metadata, spec } = snapshot;
  const { signal } = context;
  const call = { signal, lend: context.lend, wake: context.wake, ticket: metadata.uid };
  const deleting = metadata.deletionTimestamp !== undefined;
  const session = createSession(manager, resources.vmSnapshots, snapshotJournal(informers), snapshot, context);
  const machine = informers.virtualMachines.get(metadata.namespace, machineNameOf(snapshot, session.journal));
  let retention: Retention | undefined;

  function keep(change: Partial<SnapshotJournal>): void {
    session.journal = { ...session.journal, ...change };
  }

  function peer(): Peer {
    return servingPeer(manager, session.journal.provider ?? "", deleting);
  }

  function machineId(): string {
    return session.journal.machine ?? "";
  }

  function lane(
    action: "create" | "delete",
    send: (about: About) => Promise<{ task?: { id: string }; id?: string }>,
  ): Lane<About> {
    return createLane<About>({
      manager,
      context,
      session,
      kind: "VMSnapshot",
      operation: action === "create" ? "CreateSnapshot" : "DeleteSnapshot",
      what: action === "create" ? "the creation of the snapshot" : "the deletion of the snapshot",
      timeoutMs,
      // What is counted at the end must not depend on how the provider is by then.
      ready: () => void (type = peer().type),
      slot: () => session.journal[action] ?? {},
      keep: (slot: Slot<About>) => keep({ [action]: slot }),
      async send(about) {
        const { task, id } = await send(about);
        return { task: task?.id, about: id === undefined ? about : { ...about, id } };
      },
      taskStatus: (id) => peer().handle.call("taskStatus", { task: { id } }, call),
      async tookEffect({ id }) {
        const found = await hasSnapshot(peer(), machineId(), id ?? "", call);
        return found === undefined ? undefined : found === (action === "create");
      },
      succeeded({ id }) {
        const { create: _create, delete: _delete, id: _id, createdAtMs: _at, ...rest } = session.journal;
        if (action === "delete") session.journal = rest;
        else session.journal = { ...rest, ...(id === undefined ? {} : { id }), createdAtMs: clock.now() };
      },
      count(outcome) {
        instruments.virtrigaud_vm_snapshot_total.add(1, { action, provider_type: peerType(), outcome });
      },
    });
  }

  let type: Peer["type"] | undefined;
  function peerType(): Peer["type"] {
    return (type ??= peer().type);
  }

  const creation = lane("create", async () => {
    peerType();
    const answer = await peer().handle.call(
      "createSnapshot",
      {
        vmId: machineId(),
        // Unique to the object: another one of the same name must not share the snapshot, and the same request again must find it.
        nameHint: `${spec.snapshotConfig?.name ?? metadata.name}-${metadata.uid.slice(0, 8)}`,
        includeMemory: session.journal.memory === true,
        description: spec.snapshotConfig?.description ?? "",
      },
      call,
    );
    return { ...(answer.task === undefined ? {} : { task: answer.task }), id: answer.snapshotId };
  });

  const deletion = lane("delete", async ({ id }) => {
    peerType();
    try {
      const snapshotId = id ?? "";
      const { task } = await peer().handle.call("deleteSnapshot", { vmId: machineId(), snapshotId }, call);
      return task === undefined ? {} : { task };
    } catch (thrown) {
      // What is gone, with its machine or without, needs no deletion.
      if (thrown instanceof ProviderError && thrown.code === "NOT_FOUND") return {};
      throw thrown;
    }
  });

  async function run(): Promise<Result> {
    if (deleting) return remove();
    const { id, create } = session.journal;
    if (create?.attempt !== undefined) return follow(creation, await creation.advance());
    const vm = ownMachine();
    if (vm === undefined) return orphaned();
    if (isTaken(session.journal)) requireName(vm);
    if (id !== undefined) return hold();
    const { retryInMs } = creation;
    if (retryInMs === undefined) return settle(work, undefined, done());
    if (retryInMs > 0) return settle(work, undefined, again(retryInMs));
    return take();
  }

  /** The machine that it was taken of, or "none" while that may be any; undefined when that machine is gone. */
  function ownMachine(): VirtualMachine | "none" | undefined {
    const { owner, vm } = session.journal;
    if (owner === undefined || machine?.metadata.uid === owner) return machine ?? "none";
    // Journals of earlier versions know no name, so the object may name another machine by now.
    const found =
      vm === undefined
        ? informers.virtualMachines.list(metadata.namespace).find((other) => other.metadata.uid === owner)
        : undefined;
    if (found !== undefined) return found;
    // What was refused of one machine may be asked of another.
    return vm !== undefined && vm !== spec.vmRef.name && !isTaken(session.journal) ? "none" : undefined;
  }

  /** @throws ManagerError `invalid_spec` when the object names another machine than the one it was taken of. */
  function requireName(vm: VirtualMachine | "none"): void {
    const name = session.journal.vm ?? (vm === "none" ? undefined : vm.metadata.name);
    if (name === undefined || name === spec.vmRef.name) return;
    throw new ManagerError(
      "invalid_spec",
      `spec.vmRef.name is ${JSON.stringify(spec.vmRef.name)}, and the snapshot is of VirtualMachine ${name}: ` +
        `it stays with its machine; write ${name} again, or create another VMSnapshot`,
    );
  }

  async function take(): Promise<Result> {
    if (spec.retentionPolicy !== undefined) readPolicy(spec.retentionPolicy);
    const vm = usableMachine(machine);
    const providerKey = machineProvider(vm);
    const { provider } = servingPeer(manager, providerKey);
    const memory = spec.snapshotConfig?.includeMemory === true;
    const { uid: owner, name } = vm.metadata;
    const { memory: _memory, ...journal } = session.journal;
    const id = ownJournal(vm, informers).id ?? "";
    const of = { owner, vm: name, machine: id, provider: providerKey };
    session.journal = { ...journal, ...of, ...(memory ? { memory } : {}) };
    const offered = provider.status?.reportedCapabilities;
    const missing =
      offered?.supportsSnapshots === false
        ? "snapshots"
        : memory && offered?.supportsMemorySnapshots === false
          ? "snapshots with memory; set spec.snapshotConfig.includeMemory to false"
          : undefined;
    if (missing === undefined) return follow(creation, await creation.begin({}));
    peerType();
    const message = `Provider ${providerKey} does not offer ${missing}`;
    // Said and counted once: only a change of either makes it another attempt.
    const said = findCondition(session.object.status?.conditions, "Ready")?.message ?? "";
    if (countOf(journal.create?.failures, metadata.generation) > 0 && said.endsWith(message)) {
      return settle(work, undefined, again(longPauseMs));
    }
    return follow(creation, creation.refuse({}, new ProviderError("UNIMPLEMENTED", message)));
  }

  function usableMachine(vm: VirtualMachine | undefined): VirtualMachine {
    const key = referenceKey(spec.vmRef, metadata.namespace);
    if (vm === undefined) throw new ManagerError("dependency_not_found", `VirtualMachine ${key} does not exist`);
    const { id, attempt } = ownJournal(vm, informers);
    if (vm.metadata.deletionTimestamp !== undefined) {
      throw new NotYet("VirtualMachineDeleting", `VirtualMachine ${key} is being deleted`);
    }
    if (id === undefined) throw new NotYet("VirtualMachineNotReady", `VirtualMachine ${key} has not been made yet`);
    // A machine takes one change at a time, and its own go first.
    if (attempt !== undefined) throw new NotYet("VirtualMachineBusy", `VirtualMachine ${key} is being changed`);
    return vm;
  }

  async function follow(followed: Lane<About>, progress: Progress): Promise<Result> {
    const { create, delete: removal } = session.journal;
    const attempt = create?.attempt ?? removal?.attempt;
    if (progress === "running") {
      return settle(work, undefined, again(pollDelay(clock.now() - (attempt?.startedAtMs ?? clock.now()))));
    }
    if (progress === "failed") return settle(work, followed.failed, again(followed.retryInMs ?? longPauseMs));
    const result = await hold();
    const { id } = session.journal;
    events.record(session.object, { type: "Normal", reason: "Created", message: `the provider has it as ${id}` });
    return result;
  }

  /** The snapshot exists: with its machine, and how long? */
  async function hold(): Promise<Result> {
    await session.commit();
    const vm = ownMachine();
    requireName(vm ?? "none");
    const isMade = vm !== undefined && vm !== "none" && vm.metadata.deletionTimestamp === undefined;
    if (isMade && ownJournal(vm, informers).id !== session.journal.machine) return lost(vm);
    const siblings = informers.vmSnapshots.byIndex("machine", machineKeyOf(session.object, session.journal));
    retention = retentionOf(session.object, siblings);
    const nowMs = clock.now();
    if (retention === undefined) return settle(work, undefined, done());
    if (retention.deletesAtMs <= nowMs) return expire("its retention policy says so");
    const nextMs = retention.expiresAtMs > nowMs ? retention.expiresAtMs : retention.deletesAtMs;
    return settle(work, undefined, again(Math.min(nextMs - nowMs, longestSleepMs)));
  }

  async function lost({ metadata: { name } }: VirtualMachine): Promise<Result> {
    const message = `VirtualMachine ${name} vanished from its hypervisor, and the snapshot with it; delete this object`;
    await writeStatus({ reason: "SnapshotLost", message, refused: true });
    return done();
  }

  async function orphaned(): Promise<Result> {
    if (spec.retentionPolicy?.deleteOnVMDelete !== false) return expire("its VirtualMachine was deleted");
    const message = `VirtualMachine ${machineKeyOf(session.object, session.journal)} was deleted, and the snapshot with it; delete this object`;
    await session.commit();
    await writeStatus({ reason: "VirtualMachineDeleted", message, refused: true });
    return done();
  }

  async function expire(why: string): Promise<Result> {
    await session.commit();
    const preconditions = { uid: metadata.uid };
    context.assertCurrent();
    await resources.vmSnapshots.delete(metadata, { preconditions, ignoreNotFound: true, signal });
    events.record(session.object, { type: "Normal", reason: "Expired", message: `deleted, since ${why}` });
    return done();
  }

  /** The object is to go, and what it stands for before it. */
  async function remove(): Promise<Result> {
    if (metadata.finalizers?.includes(finalizer) !== true) return done();
    if (metadata.annotations?.[forceDeleteAnnotation] === "true") {
      await session.commit({ release: true });
      const message = `released without deleting anything: ${forceDeleteAnnotation}`;
      events.record(snapshot, { type: "Warning", reason: "ForceDeleted", message });
      return done();
    }
    const { create, machine: of } = session.journal;
    const isUnclear = create?.attempt !== undefined || (session.journal.id === undefined && create?.uncertain === true);
    // Whether it was taken is only known by asking for it again.
    if (isUnclear && of !== undefined) {
      const { retryInMs } = creation;
      if (create.attempt === undefined && retryInMs !== 0)
        return settle(work, undefined, again(retryInMs ?? longPauseMs));
      const progress = create.attempt === undefined ? await creation.begin({}) : await creation.advance();
      if (progress === "running") return follow(creation, progress);
      const isGone = creation.failed?.error.reason === "NotFound";
      if (isGone) session.journal = withoutCreation(session.journal);
      else if (progress === "failed") return follow(creation, progress);
    }
    const { id, delete: removal } = session.journal;
    // Of a machine that nobody knows there is nothing to delete.
    if (id !== undefined && session.journal.machine !== undefined) {
      const { retryInMs } = deletion;
      if (removal?.attempt === undefined && retryInMs !== 0) {
        return settle(work, undefined, again(retryInMs ?? longPauseMs));
      }
      const progress = removal?.attempt === undefined ? await deletion.begin({ id }) : await deletion.advance();
      if (progress !== "succeeded") return follow(deletion, progress);
    }
    await session.commit({ release: true });
    return done();
  }

  async function writeStatus(problem: Problem | undefined): Promise<void> {
    const { object, journal } = session;
    await session.writeStatus(snapshotStatus({ snapshot: object, journal, problem, retention, nowMs: clock.now() }));
  }

  const work: Work<VMSnapshot> = {
    get object() {
      return session.object;
    },
    run,
    commit: () => session.commit(),
    writeStatus,
  };
  return work;
}

function withoutCreation({ create: _create, ...journal }: SnapshotJournal): SnapshotJournal {
  return journal;
}
