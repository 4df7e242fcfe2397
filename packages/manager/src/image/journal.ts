import type { VMImage } from "../api/vm-image.ts";
import { anyText, each, key, mapOf, text, whole } from "../operation/decode.ts";
import { slotOf } from "../operation/lane.ts";
import type { Slot } from "../operation/lane.ts";
import { readKept, refusalOf } from "../operation/session.ts";
import type { SessionKind } from "../operation/session.ts";

/** An image as one provider has it. */
export interface Prepared {
  /** Of the source it was made from. */
  readonly digest: string;
  readonly id: string;
  readonly path: string;
}

interface Copy {
  readonly prepared?: Prepared;
  readonly import?: Slot<Prepared>;
}

/** What the manager has done with an image, by the Provider's `namespace/name`. */
export interface ImageJournal {
  readonly copies?: Readonly<Record<string, Copy>>;
}

const decodePrepared = whole<Prepared>({ digest: text, id: anyText, path: anyText });
const decodeCopy = each<Copy>({ prepared: decodePrepared, import: slotOf(decodePrepared) });
const isKey = (name: string): name is string => key(name) !== undefined;
const decodeJournal = each<ImageJournal>({ copies: mapOf(decodeCopy, isKey) });

/**
 * The journal on an object. Field by field, what cannot be read counts as missing. One that was written for another object counts as none; of
 * one that does not say for which, so do the copies that the status does not name.
 *
 * It gives nobody anything: what it can name as prepared, the object's own source can name as well.
 */
export function readImageJournal(image: VMImage): ImageJournal {
  const kept = readKept(image);
  if (kept === undefined) return {};
  const journal = decodeJournal(kept.fields);
  if (kept.isBound || journal.copies === undefined) return journal;
  const named = Object.values(image.status?.providerStatus ?? {}).map(({ id }) => id);
  const copies = Object.entries(journal.copies).filter(([, { prepared }]) => named.includes(prepared?.id));
  return copies.length === 0 ? {} : { copies: Object.fromEntries(copies) };
}

/** Indexer by which the images are found that are being prepared at a Provider, whether a machine names them or not. */
export const imageIndexers = {
  provider: (image: VMImage): string[] =>
    Object.entries(readImageJournal(image).copies ?? {})
      .filter(([, copy]) => copy.import?.attempt !== undefined)
      .map(([key]) => key),
};

function attempts({ copies = {} }: ImageJournal): number[] {
  return Object.values(copies).flatMap((copy) => copy.import?.attempt?.startedAtMs ?? []);
}

/** An import is under way. */
export function isImporting(image: VMImage): boolean {
  return attempts(readImageJournal(image)).length > 0;
}

export const imageJournal: SessionKind<VMImage, ImageJournal> = {
  finalizer: "vmimage.infra.virtrigaud.io/finalizer",
  readJournal: readImageJournal,
  refusal: refusalOf,
  attemptMark(journal) {
    const all = attempts(journal);
    return all.length === 0 ? undefined : String(Math.max(...all));
  },
  // Nothing of a provider's is deleted with the object; only what is under way is seen to its end.
  holdsObject: (journal) => attempts(journal).length > 0,
};
