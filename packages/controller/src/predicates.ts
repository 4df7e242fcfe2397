import type { InformerEvent, KubeObject } from "@almanac/kube";

/** Decides whether an event leads to a reconcile. Resyncs are not asked about. */
export type Predicate<T extends KubeObject = KubeObject> = (event: InformerEvent<T>) => boolean;

/** Passes updates that changed the specification (`metadata.generation`) or began the deletion, and every add and delete. */
export function generationChanged(): Predicate {
  return (event) =>
    event.type !== "update" ||
    event.old.metadata.generation !== event.object.metadata.generation ||
    event.old.metadata.deletionTimestamp !== event.object.metadata.deletionTimestamp;
}

/** Passes updates that changed anything, and every add and delete. */
export function resourceVersionChanged(): Predicate {
  return (event) =>
    event.type !== "update" || event.old.metadata.resourceVersion !== event.object.metadata.resourceVersion;
}

/** Passes updates that changed an annotation other than those of `ignore`, and every add and delete. */
export function annotationsChanged(options: { readonly ignore?: readonly string[] } = {}): Predicate {
  const ignored = new Set(options.ignore);
  return (event) =>
    event.type !== "update" || !sameEntries(event.old.metadata.annotations, event.object.metadata.annotations, ignored);
}

/** Passes updates that changed a label, and every add and delete. */
export function labelsChanged(): Predicate {
  return (event) =>
    event.type !== "update" || !sameEntries(event.old.metadata.labels, event.object.metadata.labels, new Set());
}

export function and<T extends KubeObject>(...predicates: readonly Predicate<T>[]): Predicate<T> {
  return (event) => predicates.every((predicate) => predicate(event));
}

export function or<T extends KubeObject>(...predicates: readonly Predicate<T>[]): Predicate<T> {
  return (event) => predicates.some((predicate) => predicate(event));
}

export function not<T extends KubeObject>(predicate: Predicate<T>): Predicate<T> {
  return (event) => !predicate(event);
}

type Entries = Readonly<Record<string, string>> | undefined;

function sameEntries(a: Entries, b: Entries, ignored: ReadonlySet<string>): boolean {
  return covers(a, b, ignored) && covers(b, a, ignored);
}

function covers(a: Entries = {}, b: Entries = {}, ignored: ReadonlySet<string>): boolean {
  return Object.entries(a).every(([key, value]) => ignored.has(key) || b[key] === value);
}
