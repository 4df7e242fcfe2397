import type { VmOperation } from "@almanac/catalog";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { Failures } from "../operation/pace.ts";
import { journalText, readJournalText } from "../operation/session.ts";
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

/**
 * The journal on an object. An object that has none but a `status.id` was made by another manager of the same API, and is gone on with.
 * What cannot be read counts as none.
 */
export function readJournal(vm: VirtualMachine): Journal {
  const known = vm.status?.id;
  return readJournalText(vm) ?? (known === undefined || known === "" ? {} : { id: known });
}

/** The machine exists, or it may: another Provider would make a second one. */
function isPlaced({ id, attempt, uncertain }: Journal): boolean {
  return id !== undefined || attempt !== undefined || uncertain === true;
}

/** The Provider that an object's machine is on, or is to be made on, as `namespace/name`. */
export function machineProvider(vm: VirtualMachine, journal: Journal = readJournal(vm)): string {
  const { provider } = isPlaced(journal) ? journal : {};
  return provider ?? referenceKey(vm.spec.providerRef, vm.metadata.namespace);
}

/** The annotation's value; null when there is nothing to remember. */
export function writeJournal(journal: Journal): string | null {
  return journalText(journal);
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
