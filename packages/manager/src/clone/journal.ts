import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { VMClone } from "../api/vm-clone.ts";
import type { Informers } from "../context.ts";
import { isBorneOut } from "../operation/binding.ts";
import { each, flag, key, onlyTrue, text, time, whole } from "../operation/decode.ts";
import { slotOf } from "../operation/lane.ts";
import type { Slot } from "../operation/lane.ts";
import { journalAnnotation, readKept, refusalOf } from "../operation/session.ts";
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

const decodeAbout = whole<About>({ id: text, linked: flag }, ["id"]);
const decodeJournal = each<CloneJournal>({
  target: text,
  targetKey: key,
  machine: text,
  provider: key,
  shapes: whole<NonNullable<CloneJournal["shapes"]>>({ source: text, target: text }),
  startedAtMs: time,
  clone: slotOf(decodeAbout),
  made: decodeAbout,
  handedOver: onlyTrue,
  done: onlyTrue,
});

/**
 * The journal on an object, as far as its status bears it out. Field by field, what cannot be read counts as missing.
 *
 * - Which machine was made, the status says. One that only the journal names is asked for again: the same request finds it.
 * - A journal that was written for another object counts as none; one that does not say for which, when it names what the status names.
 */
export function readCloneJournal(clone: VMClone): CloneJournal {
  const kept = readKept(clone);
  if (kept === undefined) return {};
  const { made, clone: slot, ...journal } = decodeJournal(kept.fields);
  const known = clone.status?.targetVMID;
  const attempt = slot?.attempt;
  const isUnborne = [made?.id, attempt?.about.id].some((id) => id !== undefined && id !== known);
  if (!isUnborne)
    return { ...journal, ...(made === undefined ? {} : { made }), ...(slot === undefined ? {} : { clone: slot }) };
  if (!kept.isBound) return {};
  const { handedOver: _handed, done: _done, ...unmade } = journal;
  if (made !== undefined || attempt === undefined) return { ...unmade, clone: { uncertain: true } };
  const { startedAtMs, about } = attempt;
  return { ...journal, clone: { ...slot, attempt: { startedAtMs, about: { linked: about.linked } } } };
}

/** The journal of an object; without an attempt on a machine that is not that of its source. */
function ownCloneJournal(clone: VMClone, informers: Pick<Informers, "virtualMachines">): CloneJournal {
  const journal = readCloneJournal(clone);
  const { machine, provider, clone: _slot, ...rest } = journal;
  if (machine === undefined && provider === undefined) return { ...rest };
  const { metadata, spec, status } = clone;
  const of = { namespace: metadata.namespace, of: spec.source.vmRef?.name, conditions: status?.conditions };
  return isBorneOut({ machine: machine ?? "", provider: provider ?? "" }, of, informers) ? journal : rest;
}

export const cloneFinalizer = "vmclone.infra.virtrigaud.io/finalizer";

export function cloneJournal(informers: Pick<Informers, "virtualMachines">): SessionKind<VMClone, CloneJournal> {
  return {
    finalizer: cloneFinalizer,
    readJournal: (clone) => ownCloneJournal(clone, informers),
    refusal(clone) {
      const { machine } = decodeJournal(readKept(clone)?.fields);
      if (machine === undefined || machine === ownCloneJournal(clone, informers).machine) return refusalOf(clone);
      return `machine ${machine}, which the annotation ${journalAnnotation} names, is left alone: it is not that of the source`;
    },
    attemptMark({ clone }) {
      const startedAtMs = clone?.attempt?.startedAtMs;
      return startedAtMs === undefined ? undefined : String(startedAtMs);
    },
    holdsObject: ({ startedAtMs, handedOver }) => startedAtMs !== undefined && handedOver !== true,
  };
}

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
