import type { VmOperation } from "@almanac/catalog";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import { findCondition } from "../conditions.ts";
import { each, key, mapOf, oneOf, onlyTrue, text, texts, time, whole } from "../operation/decode.ts";
import { decodeFailures } from "../operation/pace.ts";
import type { Failures } from "../operation/pace.ts";
import { readKept } from "../operation/session.ts";
import { referenceKey } from "../resources.ts";

export const finalizer = "virtualmachine.infra.virtrigaud.io/finalizer";
/** With the value "true" a machine of that name that belongs to nobody is taken over. */
export const adoptAnnotation = "virtrigaud.io/adopt";

/** Operations that change a machine. */
export type Mutation = Exclude<VmOperation, "Describe"> | "Revert";
export type PowerAction = "On" | "Off" | "ShutdownGraceful";

/** A snapshot that a machine is put back to. */
export interface RevertTarget {
  /** UID and name of the VMSnapshot. */
  readonly uid: string;
  readonly name: string;
  /** The snapshot's id at the provider. */
  readonly id: string;
}

/** One attempt that was begun and has no result yet. */
export interface Attempt {
  readonly operation: Mutation;
  /** Milliseconds since the epoch. With the operation it identifies the attempt. */
  readonly startedAtMs: number;
  /** What the status named as task when the attempt began; another one is this attempt's. */
  readonly previousTask?: string;
  /** Of Power. */
  readonly power?: PowerAction;
  /** Of Revert. */
  readonly snapshot?: RevertTarget;
  /** Of Create and Reconfigure: digest of the shape it brings about. */
  readonly digest?: string;
}

/** Digests of fields that count when a machine is made and never again, by the field's name; those that were absent are not there. */
export type Creation = Readonly<Record<string, string>>;

/** What the manager has done with a machine, kept on the object so that another process goes on where one ended. */
export interface Journal {
  /** The machine's id at its provider, once it exists. */
  readonly id?: string;
  /** `namespace/name` of the Provider that the machine is on, or was asked of; machines of earlier versions are where their objects say. */
  readonly provider?: string;
  /** Digest of the shape the machine was last given. */
  readonly applied?: string;
  readonly attempt?: Attempt;
  readonly failures?: Readonly<Partial<Record<Mutation, Failures>>>;
  /** What it was made with; undefined when nobody knows: of machines of earlier versions, or that were taken over. */
  readonly creation?: Creation;
  /** A creation ended without an answer: a machine may exist whose id is not known. */
  readonly uncertain?: true;
  /** Digest of the shape that it has then, when it can have only one. */
  readonly uncertainShape?: string;
  /** The VMSnapshot that the machine was put back to, while the object names it. */
  readonly reverted?: Pick<RevertTarget, "uid" | "name">;
  /** A power-on whose first address has not been seen yet. */
  readonly poweredOnAtMs?: number;
  /** A graceful shutdown that was asked for. */
  readonly shutdownAtMs?: number;
}

/** Entry of `status.provider` that names the Provider, as `namespace/name`, which gave the machine its id. */
export const providerEntry = "almanac.dev/provider";

/** The machine exists, or it may: another Provider would make a second one. */
function isPlaced({ id, attempt, uncertain }: Journal): boolean {
  return id !== undefined || attempt !== undefined || uncertain === true;
}

/**
 * The Provider that an object's machine is on, or is to be made on, as `namespace/name`: the one that gave it the id in its status; before
 * there is an id, the one that was asked for it, while it may have made it; otherwise the one that the object names.
 */
export function machineProvider(vm: VirtualMachine, journal?: Journal): string {
  const { metadata, spec, status } = vm;
  const named = referenceKey(spec.providerRef, metadata.namespace);
  // The journal's word alone never makes an id that of another Provider.
  if (statusId(vm) !== undefined) return status?.provider?.[providerEntry] ?? named;
  const kept = journal ?? readJournal(vm);
  return (isPlaced(kept) ? kept.provider : undefined) ?? named;
}

/** The id that the status of an object names. */
export function statusId({ status }: VirtualMachine): string | undefined {
  return status?.id === "" ? undefined : status?.id;
}

const mutations = ["Create", "Delete", "Power", "Reconfigure", "Revert"] as const satisfies readonly Mutation[];
const isMutation = (key: string): key is Mutation => mutations.some((known) => known === key);
const decodeTarget = whole<RevertTarget>({ uid: text, name: text, id: text });
const decodeFields = whole<Attempt>(
  {
    operation: oneOf(mutations),
    startedAtMs: time,
    previousTask: text,
    power: oneOf(["On", "Off", "ShutdownGraceful"]),
    snapshot: decodeTarget,
    digest: text,
  },
  ["previousTask", "power", "snapshot", "digest"],
);

function decodeAttempt(value: unknown): Attempt | undefined {
  const attempt = decodeFields(value);
  return attempt?.operation === "Revert" && attempt.snapshot === undefined ? undefined : attempt;
}

const decodeJournal = each<Journal>({
  id: text,
  provider: key,
  applied: text,
  attempt: decodeAttempt,
  failures: mapOf(decodeFailures, isMutation),
  creation: texts,
  uncertain: onlyTrue,
  uncertainShape: text,
  reverted: whole<NonNullable<Journal["reverted"]>>({ uid: text, name: text }),
  poweredOnAtMs: time,
  shutdownAtMs: time,
});

/**
 * The journal on an object, as far as its status bears it out: whoever may write annotations must not get at a machine by it. Field by
 * field, what cannot be read counts as missing.
 *
 * - Which machine is the object's, its status says. A journal that names another one, or one that no status names, does not count there.
 * - A journal that was written for another object counts as none; one that does not say for which, when it names what the status names.
 * - An object without a journal but with a `status.id` was made by another manager of the same API, or has lost its annotations, and is
 *   gone on with.
 */
export function readJournal(vm: VirtualMachine): Journal {
  const kept = readKept(vm);
  const known = statusId(vm);
  if (kept === undefined) return withoutJournal(vm);
  const { id, ...journal } = decodeJournal(kept.fields);
  if (!kept.isBound && id !== undefined && id !== known) return withoutJournal(vm);
  if (id !== undefined && known !== undefined) return { ...journal, id: known };
  const { attempt, failures, uncertain } = journal;
  const isMade = findCondition(vm.status?.conditions, "Provisioned")?.status === "True";
  const isMaking = attempt?.operation === "Create" || uncertain === true || (failures?.Create !== undefined && !isMade);
  if (id === undefined && known !== undefined && !isMaking) return { ...journal, ...withoutJournal(vm) };
  const rest = withoutMachine(journal);
  if (id === undefined) return rest;
  // Who asks for its creation again finds the machine that is there.
  const { uncertainShape: _shape, ...lost } = rest;
  return { ...lost, uncertain: true };
}

/** The journal of an object that has no machine: nothing but its creation can be under way then. */
export function withoutMachine(journal: Journal): Journal {
  const { id: _id, applied: _applied, poweredOnAtMs: _on, shutdownAtMs: _off, attempt, ...rest } = journal;
  return attempt?.operation === "Create" ? { ...rest, attempt } : rest;
}

function withoutJournal(vm: VirtualMachine): Journal {
  const id = statusId(vm);
  if (id === undefined) return {};
  const provisioned = findCondition(vm.status?.conditions, "Provisioned");
  const isMaking = provisioned?.status === "False" && (vm.status?.lastTaskRef ?? "") !== "";
  return isMaking ? { uncertain: true } : { id };
}

/** The id that the annotation of an object names, believed or not. */
export function claimedId(vm: VirtualMachine): string | undefined {
  return decodeJournal(readKept(vm)?.fields).id;
}

/** Task of the attempt under way, when one is known. */
export function taskOf(vm: VirtualMachine, attempt: Attempt): string | undefined {
  const task = taskField(vm, attempt.operation);
  return task === "" || task === attempt.previousTask ? undefined : task;
}

/** What the status names as the task of `operation`. */
export function taskField(vm: VirtualMachine, operation: Mutation): string | undefined {
  return operation === "Reconfigure" ? vm.status?.reconfigureTaskRef : vm.status?.lastTaskRef;
}

/** A copy without the failures of `operation`. */
export function forgetFailures(failures: Journal["failures"], operation: Mutation): Pick<Journal, "failures"> {
  const rest = Object.entries(failures ?? {}).filter(([name]) => name !== operation);
  return rest.length === 0 ? {} : { failures: Object.fromEntries(rest) };
}
