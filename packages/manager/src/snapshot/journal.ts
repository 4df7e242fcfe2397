import type { VMSnapshot } from "../api/vm-snapshot.ts";
import type { Informers } from "../context.ts";
import { isBorneOut, isBoundOtherwise } from "../operation/binding.ts";
import { each, key, onlyTrue, text, time, whole } from "../operation/decode.ts";
import { slotOf } from "../operation/lane.ts";
import type { Slot } from "../operation/lane.ts";
import { journalAnnotation, readKept, refusalOf } from "../operation/session.ts";
import type { SessionKind } from "../operation/session.ts";
import { machineProvider } from "../virtual-machine/journal.ts";
import { ownStatusId } from "../virtual-machine/references.ts";

export const finalizer = "vmsnapshot.infra.virtrigaud.io/finalizer";

/** What an operation on a snapshot is about. */
export interface About {
  /** The snapshot's id at its provider, once it is known. */
  readonly id?: string;
}

/** What the manager has done with a snapshot. */
export interface SnapshotJournal {
  /** UID of the VirtualMachine it was taken of. */
  readonly owner?: string;
  /** Its name; journals of earlier versions have none. */
  readonly vm?: string;
  /** Id of the machine at its provider. */
  readonly machine?: string;
  /** `namespace/name` of the Provider. */
  readonly provider?: string;
  /** Taken with the memory of the machine. */
  readonly memory?: true;
  /** The snapshot's id at its provider, once it exists. */
  readonly id?: string;
  readonly createdAtMs?: number;
  readonly create?: Slot<About>;
  readonly delete?: Slot<About>;
}

const slot = slotOf(whole<About>({ id: text }, ["id"]));
const decodeJournal = each<SnapshotJournal>({
  owner: text,
  vm: text,
  machine: text,
  provider: key,
  memory: onlyTrue,
  id: text,
  createdAtMs: time,
  create: slot,
  delete: slot,
});

/**
 * The journal on an object, as far as its status bears it out. Field by field, what cannot be read counts as missing.
 *
 * - Once a snapshot was taken, the status says which; a journal that names another one does not count there.
 * - A journal that was written for another object counts as none; one that does not say for which, when it names what the status names.
 * - An object without a journal is gone on with as its status says.
 */
export function readSnapshotJournal(snapshot: VMSnapshot): SnapshotJournal {
  const kept = readKept(snapshot);
  const taken = takenAs(snapshot);
  if (kept === undefined) return withoutJournal(snapshot);
  const { id, ...journal } = decodeJournal(kept.fields);
  if (id === undefined) return journal;
  if (!kept.isBound && id !== taken?.id) return withoutJournal(snapshot);
  return { ...journal, id: taken?.id ?? id };
}

/** There is a snapshot, or there may be one: it belongs to its machine whatever its object names later. */
export function isTaken({ id, create }: SnapshotJournal): boolean {
  return id !== undefined || create?.attempt !== undefined || create?.uncertain === true;
}

/** Name of the VirtualMachine that a snapshot is of, or is to be of. */
export function machineNameOf(snapshot: VMSnapshot, journal: SnapshotJournal = readSnapshotJournal(snapshot)): string {
  return (isTaken(journal) ? journal.vm : undefined) ?? snapshot.spec.vmRef.name;
}

/** What the status says of a snapshot that was taken. */
function takenAs({ status }: VMSnapshot): { readonly id: string; readonly createdAtMs: number } | undefined {
  const createdAtMs = Date.parse(status?.creationTime ?? "");
  const { snapshotID: id = "" } = status ?? {};
  return id === "" || Number.isNaN(createdAtMs) ? undefined : { id, createdAtMs };
}

function withoutJournal(snapshot: VMSnapshot): SnapshotJournal {
  const taken = takenAs(snapshot);
  if (taken !== undefined) return taken;
  // It was being taken: who asks for it again finds what is there.
  return (snapshot.status?.snapshotID ?? "") === "" ? {} : { create: { uncertain: true } };
}

/** The journal of an object, with the machine it is about; without one that is not the object's to ask for. */
function ownSnapshotJournal(snapshot: VMSnapshot, informers: Pick<Informers, "virtualMachines">): SnapshotJournal {
  const { namespace } = snapshot.metadata;
  const journal = readSnapshotJournal(snapshot);
  const of = { namespace, of: machineNameOf(snapshot, journal), conditions: snapshot.status?.conditions };
  const { machine, provider = "" } = journal;
  if (machine !== undefined && isBorneOut({ machine, provider }, of, informers)) return journal;
  if (machine !== undefined || hasAttempt(journal)) return withoutJournal(snapshot);
  // What is to be told by the status alone.
  if (!isTaken(journal) || readKept(snapshot) !== undefined) return journal;
  const vm = informers.virtualMachines.get(namespace, snapshot.spec.vmRef.name);
  const id = vm === undefined ? undefined : ownStatusId(vm, informers);
  if (vm === undefined || id === undefined) return journal;
  const known = { machine: id, provider: machineProvider(vm) };
  if (isBoundOtherwise(known, of.conditions)) return journal;
  return { ...journal, owner: vm.metadata.uid, vm: vm.metadata.name, ...known };
}

function hasAttempt({ create, delete: removal }: SnapshotJournal): boolean {
  return create?.attempt !== undefined || removal?.attempt !== undefined;
}

export function snapshotJournal(
  informers: Pick<Informers, "virtualMachines">,
): SessionKind<VMSnapshot, SnapshotJournal> {
  return {
    finalizer,
    readJournal: (snapshot) => ownSnapshotJournal(snapshot, informers),
    refusal(snapshot) {
      const claimed = decodeJournal(readKept(snapshot)?.fields);
      const { machine } = ownSnapshotJournal(snapshot, informers);
      if (claimed.machine === undefined || claimed.machine === machine) return refusalOf(snapshot);
      return `machine ${claimed.machine}, which the annotation ${journalAnnotation} names, is left alone: it is not that of the VirtualMachine`;
    },
    attemptMark(journal) {
      const startedAtMs = journal.create?.attempt?.startedAtMs ?? journal.delete?.attempt?.startedAtMs;
      return startedAtMs === undefined ? undefined : String(startedAtMs);
    },
    holdsObject: (journal) => isTaken(journal) || journal.delete?.attempt !== undefined,
  };
}
