import type { VMSnapshot } from "../api/vm-snapshot.ts";
import { timestamp } from "../conditions.ts";
import type { ConditionInput } from "../conditions.ts";
import { withBinding } from "../operation/binding.ts";
import { readyConditions, standingProblem } from "../operation/frame.ts";
import type { Problem } from "../operation/frame.ts";
import { ignoredSnapshotFields } from "./ignored-fields.ts";
import type { SnapshotJournal } from "./journal.ts";
import type { Retention } from "./retention.ts";

type Status = NonNullable<VMSnapshot["status"]>;

interface StatusInput {
  readonly snapshot: VMSnapshot;
  readonly journal: SnapshotJournal;
  readonly problem: Problem | undefined;
  readonly retention: Retention | undefined;
  readonly nowMs: number;
}

/** The snapshot went with its machine. */
const goneReasons: ReadonlySet<string> = new Set(["SnapshotLost", "VirtualMachineDeleted"]);

/** The status of a snapshot. Pure. */
export function snapshotStatus(input: StatusInput): Status {
  const { snapshot, journal, retention, nowMs } = input;
  const { metadata, spec } = snapshot;
  const { id, createdAtMs, create, delete: removal } = journal;
  const { taskRef: _task, expiryTime: _expiry, ...before } = snapshot.status ?? {};
  const problem = input.problem ?? standing(input);
  const phase = phaseOf(input, problem);
  const ready = readyCondition(input, problem);
  const shownId = id ?? create?.attempt?.about.id;
  const task = create?.attempt?.task ?? removal?.attempt?.task;
  const context = { generation: metadata.generation, nowMs };
  const status: Status = {
    ...before,
    phase,
    message: ready.message,
    observedGeneration: metadata.generation,
    conditions: withBinding(
      readyConditions(snapshot.status?.conditions, ready, ignoredSnapshotFields(snapshot), context),
      journal,
      context,
    ),
  };
  if (task !== undefined) status.taskRef = task;
  if (shownId !== undefined) status.snapshotID = shownId;
  if (createdAtMs !== undefined) {
    status.creationTime = timestamp(createdAtMs);
    status.completionTime ??= timestamp(nowMs);
  }
  if (retention !== undefined && spec.retentionPolicy !== undefined)
    status.expiryTime = timestamp(retention.expiresAtMs);
  if (journal.provider !== undefined && shownId !== undefined) {
    const [, name = ""] = journal.provider.split("/");
    const known = snapshot.status?.providerStatus?.[name];
    const isThere = id !== undefined && phase !== "Deleting" && !goneReasons.has(ready.reason);
    const entry = { available: isThere, id: shownId, state: phase };
    const isSame = known?.available === entry.available && known.id === entry.id && known.state === entry.state;
    status.providerStatus = { [name]: isSame ? known : { ...entry, lastUpdated: timestamp(nowMs) } };
  }
  return status;
}

/** What the last attempt failed with, while the next one waits. */
function standing({ snapshot, journal }: StatusInput): Problem | undefined {
  const { create, delete: removal } = journal;
  const isDeleting = snapshot.metadata.deletionTimestamp !== undefined;
  const slot = isDeleting ? (removal ?? create) : create;
  if (slot?.failures === undefined || slot.attempt !== undefined) return undefined;
  return standingProblem(snapshot.status?.conditions);
}

function phaseOf(input: StatusInput, problem: Problem | undefined): NonNullable<Status["phase"]> {
  const { snapshot, journal, retention, nowMs } = input;
  if (snapshot.metadata.deletionTimestamp !== undefined) return "Deleting";
  if (problem?.refused === true) return "Failed";
  if (journal.id === undefined) return journal.create?.attempt === undefined ? "Pending" : "Creating";
  return retention !== undefined && retention.expiresAtMs <= nowMs ? "Expired" : "Ready";
}

function readyCondition(input: StatusInput, problem: Problem | undefined): Omit<ConditionInput, "type"> {
  const { snapshot, journal, retention, nowMs } = input;
  if (problem !== undefined) return { status: "False", reason: problem.reason, message: problem.message };
  if (snapshot.metadata.deletionTimestamp !== undefined) {
    return { status: "False", reason: "Deleting", message: "the provider is deleting the snapshot" };
  }
  if (journal.id === undefined) {
    return { status: "False", reason: "Creating", message: "the provider is taking the snapshot" };
  }
  const memory = journal.memory === true ? " with memory" : "";
  const message = `the provider has it as ${journal.id}${memory}`;
  if (retention === undefined || retention.expiresAtMs > nowMs) return { status: "True", reason: "Created", message };
  return {
    status: "True",
    reason: "Expired",
    message: `${message}; it is deleted at ${timestamp(retention.deletesAtMs)}`,
  };
}
