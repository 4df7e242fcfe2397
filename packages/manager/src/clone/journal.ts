import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { VMClone } from "../api/vm-clone.ts";
import type { Informers } from "../context.ts";
import type { Slot } from "../operation/lane.ts";
import { journalText, readJournalText } from "../operation/session.ts";
import type { SessionKind } from "../operation/session.ts";
import { referenceKey } from "../resources.ts";

/** Annotation of a VirtualMachine that a clone is made for, `namespace/name/UID` of the VMClone, until the machine is handed over. */
export const cloneAnnotation = "almanac.dev/clone";

/** What a clone's operation is about. */
export interface About {
  /** The new machine's id at its provider, once it is known. */
  readonly id?: string;
  /** It shares its disks with the source. */
  readonly linked: boolean;
}

/** What the manager has done with a clone. */
export interface CloneJournal {
  /** UID of the VirtualMachine that is made for it. */
  readonly target?: string;
  /** Its `namespace/name`; journals of earlier versions have none. */
  readonly targetKey?: string;
  /** Id of the source machine at its provider. */
  readonly machine?: string;
  /** `namespace/name` of the Provider. */
  readonly provider?: string;
  /** Digests of the shape that the source had when it was asked for, and of the one that was then wished for the new machine. */
  readonly shapes?: { readonly source: string; readonly target: string };
  readonly startedAtMs?: number;
  readonly clone?: Slot<About>;
  /** The machine that was made. */
  readonly made?: About;
  /** It belongs to its VirtualMachine now. */
  readonly handedOver?: true;
  /** As wished; what happens to the machine from now on is its own. */
  readonly done?: true;
}

export function readCloneJournal(clone: VMClone): CloneJournal {
  return readJournalText(clone) ?? {};
}

export const cloneJournal: SessionKind<VMClone, CloneJournal> = {
  finalizer: "vmclone.infra.virtrigaud.io/finalizer",
  readJournal: readCloneJournal,
  writeJournal: journalText,
  attemptMark({ clone }) {
    const startedAtMs = clone?.attempt?.startedAtMs;
    return startedAtMs === undefined ? undefined : String(startedAtMs);
  },
  holdsObject: ({ startedAtMs, handedOver }) => startedAtMs !== undefined && handedOver !== true,
};

/** The annotation's value for the VirtualMachine of `clone`. */
export function cloneMark({ metadata }: VMClone): string {
  return `${metadata.namespace}/${metadata.name}/${metadata.uid}`;
}

/** The clone that is making this machine, which nobody else must make or delete until it is handed over. */
export function cloneOf(vm: VirtualMachine, informers: Pick<Informers, "vmClones">): VMClone | undefined {
  const mark = vm.metadata.annotations?.[cloneAnnotation];
  if (mark === undefined) return undefined;
  const [namespace, name = ""] = mark.split("/");
  const clone = informers.vmClones.get(namespace, name);
  if (clone === undefined || cloneMark(clone) !== mark) return undefined;
  // A copy of the object, annotations and all, is not the one the clone is made for.
  return targetKeyOf(clone) === `${vm.metadata.namespace}/${vm.metadata.name}` ? clone : undefined;
}

/** `namespace/name` of the VirtualMachine that a clone is made for: from the beginning on the same one, whatever its object names later. */
export function targetKeyOf(clone: VMClone): string {
  return readCloneJournal(clone).targetKey ?? referenceKey(clone.spec.target, clone.metadata.namespace);
}
