import { InvalidArgumentError } from "commander";
import type { Kind } from "@almanac/catalog";

/** How many objects the manager reconciles at a time. */
export interface Concurrency {
  /** Of each kind. */
  readonly each: number;
  /** Of single kinds. */
  readonly byKind: Partial<Readonly<Record<Kind, number>>>;
}

// Not asked of the catalog, which loads with the commands that need it.
const kinds: Readonly<Record<Kind, true>> = {
  Provider: true,
  VirtualMachine: true,
  VMClass: true,
  VMClone: true,
  VMImage: true,
  VMNetworkAttachment: true,
  VMSnapshot: true,
};

/** Adds `N`, `Kind=N`, or several of them with commas, to what was given before; the last word on a kind counts. */
export function concurrency(text: string, previous: Concurrency): Concurrency {
  let { each, byKind } = previous;
  for (const part of text.split(",")) {
    const [, kind, digits] = /^(?:(\w+)=)?(\d{1,4})$/.exec(part.trim()) ?? [];
    const workers = Number(digits);
    if (!(workers >= 1)) throw new InvalidArgumentError("Give a whole number of 1 to 9999, or Kind=N.");
    if (kind === undefined) each = workers;
    else if (isKind(kind)) byKind = { ...byKind, [kind]: workers };
    else throw new InvalidArgumentError(`There is no kind ${kind}; give one of ${Object.keys(kinds).join(", ")}.`);
  }
  return { each, byKind };
}

function isKind(text: string): text is Kind {
  return Object.hasOwn(kinds, text);
}
