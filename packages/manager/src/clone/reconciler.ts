import { again, done } from "@almanac/controller";
import type { ReconcileContext, Request, Result } from "@almanac/controller";
import { encodeCloneDocuments, ownerTag, ProviderError } from "@almanac/provider";
import type { CustomizeJson, RequestInit } from "@almanac/provider";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { VMClone } from "../api/vm-clone.ts";
import { findCondition } from "../conditions.ts";
import type { ManagerContext } from "../context.ts";
import { parseDuration, parsePause } from "../duration.ts";
import { ManagerError } from "../error.ts";
import { createFramedReconciler, longPauseMs, settle } from "../operation/frame.ts";
import type { Problem, Work } from "../operation/frame.ts";
import { createLane } from "../operation/lane.ts";
import type { Progress } from "../operation/lane.ts";
import { NotYet } from "../operation/not-yet.ts";
import { pollDelay } from "../operation/pace.ts";
import { requireStaying, servingPeer } from "../operation/peer.ts";
import type { Peer } from "../operation/peer.ts";
import { createSession, forceDeleteAnnotation } from "../operation/session.ts";
import { referenceKey } from "../resources.ts";
import { creationOf } from "../virtual-machine/creation.ts";
import { desiredMachine } from "../virtual-machine/desired.ts";
import { machineProvider } from "../virtual-machine/journal.ts";
import type { Journal } from "../virtual-machine/journal.ts";
import { findReferences, ownJournal, requireOwnId } from "../virtual-machine/references.ts";
import { requireUserTags } from "../virtual-machine/tags.ts";
import { readCustomization } from "./customization.ts";
import { cloneFinalizer, cloneJournal, readCloneJournal, targetKeyOf } from "./journal.ts";
import type { About, CloneJournal } from "./journal.ts";
import { cloneStatus } from "./status.ts";
import { createTarget } from "./target.ts";

/** Digest of no shape: the machine has to be given the one that is wished. */
const otherShape = "cloned";

/** Makes machines from others: first the object, then its machine, which then belongs to the object as one that it made itself. */
export function createCloneReconciler(
  manager: ManagerContext,
): (request: Request, context: ReconcileContext<VMClone>) => Promise<Result> {
  return createFramedReconciler(manager, manager.informers.vmClones, (clone, context) =>
    cloneWork(manager, clone, context),
  );
}

function cloneWork(manager: ManagerContext, clone: VMClone, context: ReconcileContext<VMClone>): Work<VMClone> {
  const { informers, resources, clock, events, instruments } = manager;
  const { metadata, spec } = clone;
  const { signal } = context;
  const call = { signal, lend: context.lend, wake: context.wake, ticket: metadata.uid };
  const deleting = metadata.deletionTimestamp !== undefined;
  const session = createSession(manager, resources.vmClones, cloneJournal(informers), clone, context);
  const target = createTarget(manager, clone, () => session.journal.target, context);
  let customization: CustomizeJson = {};
  let type: Peer["type"] | undefined;

  function keep(change: Partial<CloneJournal>): void {
    session.journal = { ...session.journal, ...change };
  }

  function peer(): Peer {
    const found = servingPeer(manager, session.journal.provider ?? "", deleting);
    type = found.type;
    return found;
  }

  const { retryPolicy } = spec.options ?? {};
  const lane = createLane<About>({
    manager,
    context,
    session,
    kind: "VMClone",
    operation: "CloneVM",
    what: "the clone",
    timeoutMs: durationOr(spec.options?.timeout, 1_800_000),
    retries: retryPolicy?.maxRetries ?? 3,
    retryDelayMs: retryPolicy === undefined ? undefined : (count) => retryDelay(retryPolicy, count),
    ready: () => void peer(),
    slot: () => session.journal.clone ?? {},
    keep: (slot) => keep({ clone: slot }),
    send: sendClone,
    taskStatus: (id) => peer().handle.call("taskStatus", { task: { id } }, call),
    async tookEffect({ id }) {
      if (id === undefined) return undefined;
      return (await peer().handle.call("describeVM", { id }, call)).exists;
    },
    succeeded(about) {
      const { clone: _slot, ...rest } = session.journal;
      session.journal = { ...rest, made: about };
    },
    count(outcome, { linked }) {
      const provider_type = type ?? peer().type;
      instruments.virtrigaud_vm_clone_total.add(1, { linked: linked ? "true" : "false", provider_type, outcome });
    },
  });

  async function sendClone(about: About): Promise<{ task: string | undefined; about: About }> {
    const { handle } = peer();
    const request = cloneRequest(about.linked);
    let linked = about.linked;
    let answer;
    try {
      answer = await handle.call("cloneVM", request, call);
    } catch (thrown) {
      // Whoever wants to save space gets a machine all the same, and is told.
      if (!(linked && thrown instanceof ProviderError && thrown.code === "UNIMPLEMENTED")) throw thrown;
      linked = false;
      // The rate limit may put the second request off; the first is not to be made again then.
      const slot = session.journal.clone;
      if (slot?.attempt !== undefined)
        keep({ clone: { ...slot, attempt: { ...slot.attempt, about: { ...about, linked } } } });
      answer = await handle.call("cloneVM", cloneRequest(false), call);
    }
    const { provider: providerKey = "", target: uid } = session.journal;
    requireOwnId(informers, { providerKey, id: answer.targetVmId, uid });
    return { task: answer.task?.id, about: { id: answer.targetVmId, linked } };
  }

  function targetName(): string {
    return session.journal.targetKey?.split("/")[1] ?? spec.target.name;
  }

  function cloneRequest(linked: boolean): RequestInit<"cloneVM"> {
    const vmClass =
      spec.target.classRef === undefined
        ? undefined
        : informers.vmClasses.get(metadata.namespace, spec.target.classRef.name)?.spec;
    const owner = `${ownerTag}=${session.journal.target}`;
    return {
      sourceVmId: session.journal.machine ?? "",
      targetName: targetName(),
      linked,
      ...encodeCloneDocuments({
        ...(vmClass === undefined ? {} : { class: { ...vmClass, memory: String(vmClass.memory) } }),
        ...(spec.target.placementRef === undefined ? {} : { placement: spec.target.placementRef }),
        // The first owner counts.
        customize: { ...customization, tags: [owner, ...(customization.tags ?? [])] },
      }),
    };
  }

  async function run(): Promise<Result> {
    if (deleting) return remove();
    const { journal } = session;
    if (journal.done === true) return settle(work, undefined, done());
    if (journal.clone?.attempt !== undefined) {
      if (journal.clone.attempt.task === undefined) await readSecrets();
      return follow(await lane.advance());
    }
    requireTarget();
    if (journal.made !== undefined) return finish();
    const { retryInMs } = lane;
    if (retryInMs === undefined) return settle(work, undefined, done());
    if (retryInMs > 0) return settle(work, undefined, again(retryInMs));
    return begin();
  }

  async function readSecrets(): Promise<void> {
    customization = await readCustomization(clone, resources.secrets, signal);
  }

  async function begin(): Promise<Result> {
    checkSpec(clone);
    const source = usableSource();
    const providerKey = machineProvider(source);
    const wanted = spec.target.providerRef;
    if (wanted !== undefined && referenceKey(wanted, metadata.namespace) !== providerKey) {
      const message = `spec.target.providerRef: a clone stays with its source, on Provider ${providerKey}; leave the field out`;
      throw new ManagerError("invalid_spec", message);
    }
    const { provider, type: providerType } = servingPeer(manager, providerKey);
    requireStaying(provider);
    const { classRef } = spec.target;
    if (classRef !== undefined && informers.vmClasses.get(metadata.namespace, classRef.name) === undefined) {
      throw new ManagerError("dependency_not_found", `VMClass ${metadata.namespace}/${classRef.name} does not exist`);
    }
    await readSecrets();
    type = providerType;
    keep({
      machine: ownJournal(source, informers).id ?? "",
      provider: providerKey,
      targetKey: targetKeyOf(clone),
      startedAtMs: session.journal.startedAtMs ?? clock.now(),
    });
    // Held before there is an object that would be left behind, and then made by its own reconciler.
    await session.commit();
    const vm = await ensureTarget(source);
    keep({ target: vm.metadata.uid });
    noteShapes(source, vm);
    if (vm.metadata.deletionTimestamp !== undefined) return targetGone();
    const isOffered = provider.status?.reportedCapabilities?.supportsLinkedClones !== false;
    const asked = spec.options?.type === "LinkedClone";
    if (asked && !isOffered) {
      const message = `Provider ${providerKey} does not offer linked clones; a full one is made`;
      events.record(session.object, { type: "Warning", reason: "LinkedCloneNotOffered", message });
    }
    return follow(await lane.begin({ linked: asked && isOffered }));
  }

  async function ensureTarget(source: VirtualMachine): Promise<VirtualMachine> {
    try {
      return await target.ensure(source);
    } catch (thrown) {
      // The name is somebody else's: nothing was begun there, and another one may be chosen.
      if (thrown instanceof ManagerError) {
        const { targetKey: _key, ...journal } = session.journal;
        session.journal = journal;
      }
      throw thrown;
    }
  }

  /** A copy has the shape that its source has, which need not be the one that is wished for either. */
  function noteShapes(source: VirtualMachine, vm: VirtualMachine): void {
    const { shapes: _before, ...journal } = session.journal;
    const { applied } = ownJournal(source, informers);
    const isInStep = applied !== undefined && applied === wishedShape(source);
    const wished = wishedShape(vm);
    session.journal = {
      ...journal,
      ...(isInStep && wished !== undefined ? { shapes: { source: applied, target: wished } } : {}),
    };
  }

  function wishedShape(vm: VirtualMachine): string | undefined {
    try {
      return desiredMachine(vm, findReferences(vm, informers)).digest;
    } catch {
      // Something it names is missing: what it is to be is not known.
      return undefined;
    }
  }

  /** Digest of the shape that the new machine has; undefined when there is nothing to compare it with. */
  function shapeMade(): string | undefined {
    const { shapes } = session.journal;
    const source = informers.virtualMachines.get(metadata.namespace, spec.source.vmRef?.name ?? "");
    const now = source === undefined ? undefined : ownJournal(source, informers);
    if (spec.target.disks !== undefined || spec.target.networks !== undefined) return otherShape;
    // Of a source that another manager made nobody knows the shape.
    if (now !== undefined && now.applied === undefined) return undefined;
    const changing = now?.attempt?.operation;
    const isSteady = changing !== "Reconfigure" && changing !== "Revert";
    return shapes !== undefined && now?.applied === shapes.source && isSteady ? shapes.target : otherShape;
  }

  function usableSource(): VirtualMachine {
    const name = spec.source.vmRef?.name ?? "";
    const key = `${metadata.namespace}/${name}`;
    const vm = informers.virtualMachines.get(metadata.namespace, name);
    if (vm === undefined) throw new ManagerError("dependency_not_found", `VirtualMachine ${key} does not exist`);
    const { id, attempt } = ownJournal(vm, informers);
    if (vm.metadata.deletionTimestamp !== undefined) {
      throw new NotYet("SourceDeleting", `VirtualMachine ${key} is being deleted`);
    }
    if (id === undefined) throw new NotYet("SourceNotReady", `VirtualMachine ${key} has not been made yet`);
    if (attempt !== undefined) throw new NotYet("SourceBusy", `VirtualMachine ${key} is being changed`);
    return vm;
  }

  async function follow(progress: Progress): Promise<Result> {
    if (progress === "running") {
      const startedAtMs = session.journal.clone?.attempt?.startedAtMs ?? clock.now();
      return settle(work, undefined, again(pollDelay(clock.now() - startedAtMs)));
    }
    if (progress === "failed") return settle(work, lane.failed, again(lane.retryInMs ?? longPauseMs));
    await session.commit();
    requireTarget();
    return finish();
  }

  /** @throws ManagerError `invalid_spec` when the object names another target than the one that was begun. */
  function requireTarget(): void {
    const named = referenceKey(spec.target, metadata.namespace);
    const begun = session.journal.targetKey ?? named;
    if (named === begun) return;
    throw new ManagerError(
      "invalid_spec",
      `spec.target is ${JSON.stringify(named)}, and VirtualMachine ${begun} is being made: a clone stays with its target; ` +
        `write ${begun} again, or create another VMClone`,
    );
  }

  async function commitMade(): Promise<void> {
    const { id } = session.journal.made ?? {};
    // First, since a journal is believed only where the status bears it out.
    if (id !== undefined) await session.writeStatus({ ...session.object.status, targetVMID: id });
    await session.commit();
  }

  /** The machine is made: its object gets it, and powers it on. */
  async function finish(): Promise<Result> {
    await commitMade();
    if (session.journal.handedOver !== true) {
      if (!(await target.handOver(handover()))) return targetGone();
      keep({ handedOver: true });
      await session.commit();
    }
    const vm = target.find();
    const isWaiting = vm?.spec.powerState === "On" && vm.status?.powerState !== "On";
    if (isWaiting && vm.metadata.deletionTimestamp === undefined) return settle(work, undefined, again(longPauseMs));
    keep({ done: true });
    const result = await settle(work, undefined, done());
    const { made } = session.journal;
    const message = `${made?.linked === true ? "linked" : "full"} clone ${targetName()} was made as ${made?.id}`;
    events.record(session.object, { type: "Normal", reason: "Cloned", message });
    return result;
  }

  /** What the machine's own reconciler has to know of it. */
  function handover(): Journal {
    const { made } = session.journal;
    const applied = shapeMade();
    const vm = target.find();
    const creation = vm === undefined ? undefined : creationOf(vm);
    return {
      ...(made?.id === undefined ? {} : { id: made.id, ...place() }),
      ...(applied === undefined ? {} : { applied }),
      ...(creation === undefined ? {} : { creation }),
    };
  }

  /** The same where a request went unanswered. */
  function unknown(): Journal {
    return { uncertain: true, ...place() };
  }

  function place(): Pick<Journal, "provider"> {
    const { provider } = session.journal;
    return provider === undefined ? {} : { provider };
  }

  async function targetGone(): Promise<Result> {
    const { made, clone: slot } = session.journal;
    // Nothing was made, or its object deletes it.
    await target.handOver(slot?.uncertain === true && made === undefined ? unknown() : handover());
    keep({ handedOver: true, done: true });
    await session.commit();
    const left = made?.id === undefined ? "" : `; machine ${made.id} may be left on its provider`;
    const message = `VirtualMachine ${targetName()} was deleted while it was being made${left}`;
    const { journal, object } = session;
    const { done: _done, ...undone } = journal;
    const problem = { reason: "TargetDeleted", message, refused: true };
    await session.writeStatus(
      cloneStatus({ clone: object, journal: undone, target: undefined, problem, nowMs: clock.now() }),
    );
    events.record(object, { type: "Warning", reason: "TargetDeleted", message });
    return done();
  }

  /** The object goes. What is not finished goes with it. */
  async function remove(): Promise<Result> {
    if (metadata.finalizers?.includes(cloneFinalizer) !== true) return done();
    const isForced = metadata.annotations?.[forceDeleteAnnotation] === "true";
    if (!isForced && session.journal.clone?.attempt !== undefined) {
      if (session.journal.clone.attempt.task === undefined) await readSecrets();
      const progress = await lane.advance();
      if (progress === "running") return follow(progress);
      await commitMade();
    }
    if (session.journal.startedAtMs !== undefined && session.journal.target === undefined) {
      const vm = await target.seek();
      if (vm !== undefined) keep({ target: vm.metadata.uid });
    }
    const { handedOver, target: uid, clone: slot, made } = session.journal;
    if (handedOver !== true && uid !== undefined) {
      // In this order: at no time is there an object that its own reconciler would make a machine for.
      await target.remove();
      const isUnknown = made === undefined && (slot?.uncertain === true || slot?.attempt !== undefined);
      await target.handOver(isUnknown ? unknown() : handover());
    }
    await session.commit({ release: true });
    if (isForced) {
      const message = `released without waiting for its provider: ${forceDeleteAnnotation}`;
      events.record(clone, { type: "Warning", reason: "ForceDeleted", message });
    }
    return done();
  }

  async function writeStatus(problem: Problem | undefined): Promise<void> {
    const { object, journal } = session;
    // What was said of a target that went stays to be read.
    if (journal.done === true && findCondition(object.status?.conditions, "Ready")?.reason === "TargetDeleted") return;
    await session.writeStatus(
      cloneStatus({ clone: object, journal, target: target.find(), problem, nowMs: clock.now() }),
    );
  }

  const work: Work<VMClone> = {
    get object() {
      return session.object;
    },
    run,
    commit: () => session.commit(),
    writeStatus,
  };
  return work;
}

/** @throws ManagerError `invalid_spec` for what a clone cannot be made of. */
function checkSpec({ spec }: VMClone): void {
  const { vmRef, snapshotRef, templateRef, imageRef } = spec.source;
  const refuse = (message: string): never => {
    throw new ManagerError("invalid_spec", message);
  };
  if (vmRef === undefined) {
    const given = imageRef !== undefined || templateRef !== undefined;
    refuse(
      given
        ? "spec.source: only vmRef can be cloned; to make a machine of an image, create a VirtualMachine with spec.imageRef"
        : "spec.source.vmRef is missing; name the VirtualMachine to clone",
    );
  }
  if (snapshotRef !== undefined) {
    refuse("spec.source.snapshotRef: providers clone a machine as it is now; leave it out, or revert the source first");
  }
  const { type = "FullClone" } = spec.options ?? {};
  if (type !== "FullClone" && type !== "LinkedClone") {
    refuse(`spec.options.type is ${JSON.stringify(type)}; write FullClone or LinkedClone`);
  }
  requireUserTags(spec.customization?.tags, "spec.customization.tags");
  parseDuration(spec.options?.timeout ?? "30m", "spec.options.timeout");
  parsePause(spec.options?.retryPolicy?.retryDelay ?? "5m", "spec.options.retryPolicy.retryDelay");
}

type RetryPolicy = NonNullable<NonNullable<VMClone["spec"]["options"]>["retryPolicy"]>;

/** Pause before the attempt after `count` failures, milliseconds. */
function retryDelay({ retryDelay: delay = "5m", backoffMultiplier = 2 }: RetryPolicy, count: number): number {
  const longestMs = 86_400_000;
  return Math.min(longestMs, durationOr(delay, 300_000) * Math.max(1, backoffMultiplier) ** (count - 1));
}

/** Said to be wrong by `checkSpec` before anything is begun. */
function durationOr(text: string | undefined, otherwiseMs: number): number {
  if (text === undefined) return otherwiseMs;
  try {
    return parsePause(text, "");
  } catch {
    return otherwiseMs;
  }
}

/** Indexers by which clones are found when what they name changes, and those under way at a Provider, whether their source is there or not. */
export const cloneIndexers = {
  source: ({ metadata, spec }: VMClone): string[] =>
    spec.source.vmRef === undefined ? [] : [`${metadata.namespace}/${spec.source.vmRef.name}`],
  target: (clone: VMClone): string[] => [targetKeyOf(clone)],
  class: ({ metadata, spec }: VMClone): string[] =>
    spec.target.classRef === undefined ? [] : [`${metadata.namespace}/${spec.target.classRef.name}`],
  provider(clone: VMClone): string[] {
    const { provider, clone: slot } = readCloneJournal(clone);
    return provider !== undefined && slot?.attempt !== undefined ? [provider] : [];
  },
};
