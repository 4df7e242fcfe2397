import type { VMImage } from "../api/vm-image.ts";
import type { Slot } from "../operation/lane.ts";
import { journalText, readJournalText } from "../operation/session.ts";
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

export function readImageJournal(image: VMImage): ImageJournal {
  return readJournalText(image) ?? {};
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
  writeJournal: journalText,
  attemptMark(journal) {
    const all = attempts(journal);
    return all.length === 0 ? undefined : String(Math.max(...all));
  },
  // Nothing of a provider's is deleted with the object; only what is under way is seen to its end.
  holdsObject: (journal) => attempts(journal).length > 0,
};
