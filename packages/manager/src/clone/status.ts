import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { VMClone } from "../api/vm-clone.ts";
import { timestamp } from "../conditions.ts";
import type { ConditionInput } from "../conditions.ts";
import { withBinding } from "../operation/binding.ts";
import { readyConditions, standingProblem } from "../operation/frame.ts";
import type { Problem } from "../operation/frame.ts";
import { countOf } from "../operation/pace.ts";
import type { CloneJournal } from "./journal.ts";

type Status = NonNullable<VMClone["status"]>;

interface StatusInput {
  readonly clone: VMClone;
  readonly journal: CloneJournal;
  readonly target: VirtualMachine | undefined;
  readonly problem: Problem | undefined;
  readonly nowMs: number;
}

/** The status of a clone. Pure. */
export function cloneStatus(input: StatusInput): Status {
  const { clone, journal, target, nowMs } = input;
  const { generation } = clone.metadata;
  const { taskRef: _task, ...before } = clone.status ?? {};
  const slot = journal.clone;
  const isWaiting = slot?.failures !== undefined && slot.attempt === undefined;
  const problem = input.problem ?? (isWaiting ? standingProblem(clone.status?.conditions) : undefined);
  const phase = phaseOf(journal, problem);
  const ready = readyCondition(journal, problem);
  const about = journal.made ?? slot?.attempt?.about;
  const status: Status = {
    ...before,
    phase,
    message: ready.message,
    observedGeneration: generation,
    conditions: withBinding(
      readyConditions(clone.status?.conditions, ready, ignoredCloneFields(clone), { generation, nowMs }),
      journal,
      { generation, nowMs },
    ),
  };
  if (slot?.attempt?.task !== undefined) status.taskRef = slot.attempt.task;
  if (journal.startedAtMs !== undefined) {
    status.startTime = timestamp(journal.startedAtMs);
    status.progress = { overallPercentage: journal.done === true ? 100 : journal.made === undefined ? 0 : 90 };
  }
  if (about?.id !== undefined) status.targetVMID = about.id;
  if (target !== undefined) status.targetRef = { name: target.metadata.name };
  if (journal.made !== undefined) status.actualCloneType = journal.made.linked ? "LinkedClone" : "FullClone";
  if (journal.done === true) status.completionTime ??= timestamp(nowMs);
  const retries = countOf(slot?.failures, generation);
  if (retries > 0 && retries !== clone.status?.retryCount) {
    status.retryCount = retries;
    status.lastRetryTime = timestamp(nowMs);
  }
  if (clone.spec.customization !== undefined && journal.startedAtMs !== undefined) {
    status.customizationStatus = { started: true, completed: journal.made !== undefined };
  }
  return status;
}

function phaseOf(journal: CloneJournal, problem: Problem | undefined): NonNullable<Status["phase"]> {
  if (journal.done === true) return "Ready";
  if (problem?.refused === true) return "Failed";
  if (journal.clone?.attempt !== undefined) return "Cloning";
  if (journal.handedOver === true) return "Powering-On";
  return journal.target === undefined ? "Pending" : "Preparing";
}

function readyCondition(journal: CloneJournal, problem: Problem | undefined): Omit<ConditionInput, "type"> {
  if (problem !== undefined) return { status: "False", reason: problem.reason, message: problem.message };
  const kind = journal.made?.linked === true ? "linked" : "full";
  if (journal.done === true) {
    return { status: "True", reason: "Cloned", message: `a ${kind} clone was made as ${journal.made?.id ?? "?"}` };
  }
  if (journal.handedOver === true) {
    return { status: "False", reason: "PoweringOn", message: "the clone is made and is being powered on" };
  }
  return { status: "False", reason: "Cloning", message: "the provider is making the clone" };
}

/** What is set on a clone and that nothing acts on. Defaults fill themselves in; only a deliberate choice is worth a word. */
function ignoredCloneFields({ spec }: VMClone): string[] {
  const { options = {} } = spec;
  const paths: string[] = [];
  if (options.includeSnapshots === true) paths.push("options.includeSnapshots");
  if (options.parallel === true) paths.push("options.parallel");
  if (options.performance !== undefined) paths.push("options.performance");
  for (const key of ["diskFormat", "storageClass"] as const) {
    if (options.storage?.[key] !== undefined) paths.push(`options.storage.${key}`);
  }
  if (options.storage?.enableCompression === true) paths.push("options.storage.enableCompression");
  return paths.map((path) => `spec.${path}`);
}
