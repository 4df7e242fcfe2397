import type { KubeObject } from "@almanac/kube";

/** Kinds whose operations are followed. */
export const followedKinds = {
  VirtualMachine: "virtualmachines",
  VMSnapshot: "vmsnapshots",
  VMClone: "vmclones",
  VMImage: "vmimages",
} as const;
export type FollowedKind = keyof typeof followedKinds;

/** The end of one attempt, as it was kept on its object. */
export interface Result {
  /** What counts it: `vm Create a`, `snapshot create libvirt`, `clone vsphere`, `image libvirt`. */
  readonly series: string;
  readonly outcome: "success" | "failure";
  readonly operation: string;
  /** With the object and the operation it identifies the attempt; undefined for one that was refused before it was sent. */
  readonly startedAtMs: number | undefined;
  /** Whether it was counted cannot be told from the object alone. */
  readonly open: boolean;
}

/** One attempt that was begun. */
export interface Begun {
  readonly uid: string;
  readonly operation: string;
  readonly startedAtMs: number;
  /** What it is about, where a new wish may take the place of another: its request is then sent again. */
  readonly wish: string | undefined;
}

export const providerTypes: Readonly<Record<string, string>> = { a: "vsphere", b: "libvirt", c: "libvirt" };

interface Attempt {
  readonly operation?: string;
  readonly startedAtMs: number;
  readonly digest?: string;
}
interface Failures {
  readonly count: number;
  readonly retryAtMs: number;
}
interface Slot {
  readonly attempt?: Attempt;
  readonly failures?: Failures;
}
interface Journal {
  readonly id?: string;
  readonly owner?: string;
  readonly provider?: string;
  readonly attempt?: Attempt;
  readonly failures?: Readonly<Record<string, Failures>>;
  readonly create?: Slot;
  readonly delete?: Slot;
  readonly clone?: Slot;
  readonly copies?: Readonly<Record<string, { readonly import?: Slot }>>;
}

/** What the manager has noted on an object. */
export function journalOf(object: KubeObject | undefined): Journal {
  const text = object?.metadata.annotations?.["almanac.dev/operation"];
  return text === undefined ? {} : (JSON.parse(text) as Journal);
}

/** An operation of this object is under way. */
export function isBusy(object: KubeObject): boolean {
  const { attempt, create, delete: removal, clone, copies = {} } = journalOf(object);
  const slots = [create, removal, clone, ...Object.values(copies).map((copy) => copy.import)];
  return attempt !== undefined || slots.some((slot) => slot?.attempt !== undefined);
}

interface Track {
  readonly series: string;
  readonly operation: string;
  readonly attempt: Attempt | undefined;
  readonly failures: Failures | undefined;
}

/** The operations that an object tells of, by a name of their own. */
function tracksOf(kind: FollowedKind, object: KubeObject): Map<string, Track> {
  const journal = journalOf(object);
  const tracks = new Map<string, Track>();
  const add = (name: string, series: string, operation: string, slot: Slot | undefined): void => {
    tracks.set(name, { series, operation, attempt: slot?.attempt, failures: slot?.failures });
  };
  const typeOf = (provider = ""): string => providerTypes[provider.split("/")[1] ?? ""] ?? "unknown";
  switch (kind) {
    case "VirtualMachine": {
      const { name } = (object as unknown as { spec: { providerRef: { name: string } } }).spec.providerRef;
      for (const operation of ["Create", "Delete", "Power", "Reconfigure", "Revert"]) {
        const series =
          operation === "Revert" ? `snapshot revert ${providerTypes[name] ?? "unknown"}` : `vm ${operation} ${name}`;
        tracks.set(operation, {
          series,
          operation,
          attempt: journal.attempt?.operation === operation ? journal.attempt : undefined,
          failures: journal.failures?.[operation],
        });
      }
      break;
    }
    case "VMSnapshot":
      add("create", `snapshot create ${typeOf(journal.provider)}`, "CreateSnapshot", journal.create);
      add("delete", `snapshot delete ${typeOf(journal.provider)}`, "DeleteSnapshot", journal.delete);
      break;
    case "VMClone":
      add("clone", `clone ${typeOf(journal.provider)}`, "CloneVM", journal.clone);
      break;
    case "VMImage":
      for (const [key, copy] of Object.entries(journal.copies ?? {}))
        add(key, `image ${typeOf(key)}`, "PrepareImage", copy.import);
  }
  return tracks;
}

/** The results that were kept between two versions of an object; without `after` it is gone. Pure. */
export function resultsBetween(kind: FollowedKind, before: KubeObject, after: KubeObject | undefined): Result[] {
  const results: Result[] = [];
  const next = after === undefined ? undefined : tracksOf(kind, after);
  const tracks = tracksOf(kind, before);
  for (const [name, track] of next ?? []) {
    if (!tracks.has(name)) tracks.set(name, { ...track, attempt: undefined, failures: undefined });
  }
  for (const [name, { series, operation, attempt, failures }] of tracks) {
    const now = next?.get(name);
    const hasFailed = now?.failures !== undefined && now.failures.retryAtMs !== failures?.retryAtMs;
    if (attempt === undefined) {
      // Refused before it was sent. What the machine's own clock waits for after it vanished is no attempt.
      if (hasFailed && kind !== "VirtualMachine")
        results.push({ series, operation, startedAtMs: undefined, outcome: "failure", open: false });
      continue;
    }
    const { startedAtMs } = attempt;
    if (now?.attempt?.startedAtMs === startedAtMs) continue;
    if (hasFailed) {
      results.push({ series, operation, startedAtMs, outcome: "failure", open: false });
      continue;
    }
    const isDeleting = after?.metadata.deletionTimestamp !== undefined || after === undefined;
    // A machine that goes gives up what only changes it, an image everything.
    const mayBeGivenUp =
      kind === "VMImage" ||
      (kind === "VirtualMachine" && operation !== "Create" && operation !== "Delete") ||
      (after === undefined && !["Delete", "DeleteSnapshot"].includes(operation));
    results.push({ series, operation, startedAtMs, outcome: "success", open: isDeleting && mayBeGivenUp });
  }
  return results;
}

/** Attempts that an object tells of. */
export function begunOn(kind: FollowedKind, object: KubeObject): Begun[] {
  const { uid = "" } = object.metadata;
  return [...tracksOf(kind, object).values()].flatMap(({ operation, attempt }) =>
    attempt === undefined ? [] : [{ uid, operation, startedAtMs: attempt.startedAtMs, wish: attempt.digest }],
  );
}
