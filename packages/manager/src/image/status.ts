import type { VMImage } from "../api/vm-image.ts";
import { timestamp } from "../conditions.ts";
import type { ConditionInput } from "../conditions.ts";
import { ignoredImageFields } from "../ignored-fields.ts";
import { readyConditions } from "../operation/frame.ts";
import type { Problem } from "../operation/frame.ts";
import type { Prepared } from "./journal.ts";
import { readImageJournal } from "./journal.ts";
import type { Import } from "./source.ts";

type Status = NonNullable<VMImage["status"]>;

/** The image on one Provider, as a reconcile found it. */
export interface CopyView {
  /** `as-is`: the provider is given the source itself. */
  readonly state: "available" | "as-is" | "importing" | "waiting" | "failed";
  readonly prepared?: Prepared | undefined;
  readonly message?: string;
}

interface StatusInput {
  readonly image: VMImage;
  /** By the Provider's name, and its namespace where that differs. */
  readonly copies: ReadonlyMap<string, CopyView>;
  readonly source: Import | undefined;
  readonly problem: Problem | undefined;
  readonly nowMs: number;
}

/** The status of an image. Pure. */
export function imageStatus(input: StatusInput): Status {
  const { image, copies, source, nowMs } = input;
  const { generation } = image.metadata;
  const { prepareTaskRef: _task, checksum: _sum, format: _format, ...before } = image.status ?? {};
  const ready = readyCondition(input);
  const isReady = ready.status === "True";
  const tasks = Object.values(readImageJournal(image).copies ?? {}).flatMap((copy) => copy.import?.attempt?.task ?? []);
  const status: Status = {
    ...before,
    ready: isReady,
    phase: phaseOf(input, isReady),
    message: ready.message,
    availableOn: [...copies].filter(([, { state }]) => state === "available").map(([name]) => name),
    observedGeneration: generation,
    conditions: readyConditions(image.status?.conditions, ready, ignoredImageFields(image), { generation, nowMs }),
  };
  const task = tasks[0];
  if (task !== undefined) status.prepareTaskRef = task;
  if (isReady && source?.checksum !== undefined) status.checksum = source.checksum;
  if (source?.format !== undefined) status.format = source.format as NonNullable<Status["format"]>;
  const entries = providerEntries(input);
  if (Object.keys(entries).length > 0) status.providerStatus = entries;
  else delete status.providerStatus;
  const isNew = [...copies].some(
    ([name, { prepared }]) => prepared !== undefined && image.status?.providerStatus?.[name]?.id !== prepared.id,
  );
  if (isNew) status.lastPrepareTime = timestamp(nowMs);
  return status;
}

function providerEntries({ image, copies, nowMs }: StatusInput): NonNullable<Status["providerStatus"]> {
  const entries: NonNullable<Status["providerStatus"]> = {};
  for (const [name, { state, prepared, message }] of copies) {
    const known = image.status?.providerStatus?.[name];
    const entry = {
      available: state === "available",
      ...(prepared === undefined ? {} : { id: prepared.id, path: prepared.path }),
      ...(message === undefined ? {} : { message }),
    };
    const isSame =
      known?.available === entry.available &&
      known.id === entry.id &&
      known.path === entry.path &&
      known.message === entry.message;
    entries[name] = isSame ? known : { ...entry, lastUpdated: timestamp(nowMs) };
  }
  return entries;
}

function phaseOf({ copies, problem }: StatusInput, isReady: boolean): NonNullable<Status["phase"]> {
  const states = [...copies.values()].map(({ state }) => state);
  if (states.includes("importing")) return "Importing";
  if (isReady) return "Ready";
  return states.includes("failed") || problem?.refused === true ? "Failed" : "Pending";
}

function readyCondition({ image, copies, problem }: StatusInput): Omit<ConditionInput, "type"> {
  if (problem !== undefined) return { status: "False", reason: problem.reason, message: problem.message };
  const by = (state: CopyView["state"]): [string, CopyView][] => [...copies].filter(([, copy]) => copy.state === state);
  const told = (list: [string, CopyView][]): string =>
    list.map(([name, { message = "" }]) => `${name}: ${message}`).join("; ");
  const [failed, importing, waiting] = [by("failed"), by("importing"), by("waiting")];
  if (failed.length > 0) return { status: "False", reason: "PreparationFailed", message: told(failed) };
  if (importing.length > 0) {
    const names = importing.map(([name]) => name).join(", ");
    return { status: "False", reason: "Importing", message: `being prepared on ${names}` };
  }
  if (waiting.length > 0) return { status: "False", reason: "Waiting", message: told(waiting) };
  if (image.spec.prepare === undefined) {
    return { status: "True", reason: "Declared", message: "the source is handed to the provider with every machine" };
  }
  if (copies.size === 0) {
    return { status: "False", reason: "NotInUse", message: "no machine names it; it is prepared when one does" };
  }
  return { status: "True", reason: "Prepared", message: `ready on ${[...copies.keys()].join(", ")}` };
}
