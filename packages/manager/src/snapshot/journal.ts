import type { VMSnapshot } from "../api/vm-snapshot.ts";
import type { Slot } from "../operation/lane.ts";
import { journalText, readJournalText } from "../operation/session.ts";
import type { SessionKind } from "../operation/session.ts";

const finalizer = "vmsnapshot.infra.virtrigaud.io/finalizer";

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

export function readSnapshotJournal(snapshot: VMSnapshot): SnapshotJournal {
  return readJournalText(snapshot) ?? {};
}

/** There is a snapshot, or there may be one: it belongs to its machine whatever its object names later. */
export function isTaken({ id, create }: SnapshotJournal): boolean {
  return id !== undefined || create?.attempt !== undefined || create?.uncertain === true;
}

/** Name of the VirtualMachine that a snapshot is of, or is to be of. */
export function machineNameOf(snapshot: VMSnapshot, journal: SnapshotJournal = readSnapshotJournal(snapshot)): string {
  return (isTaken(journal) ? journal.vm : undefined) ?? snapshot.spec.vmRef.name;
}

export const snapshotJournal: SessionKind<VMSnapshot, SnapshotJournal> = {
  finalizer,
  readJournal: readSnapshotJournal,
  writeJournal: journalText,
  attemptMark(journal) {
    const startedAtMs = journal.create?.attempt?.startedAtMs ?? journal.delete?.attempt?.startedAtMs;
    return startedAtMs === undefined ? undefined : String(startedAtMs);
  },
  holdsObject: (journal) => isTaken(journal) || journal.delete?.attempt !== undefined,
};
