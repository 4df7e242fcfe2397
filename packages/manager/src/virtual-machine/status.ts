import type { VirtualMachine } from "../api/virtual-machine.ts";
import { findCondition, withCondition, withoutCondition } from "../conditions.ts";
import type { ConditionInput } from "../conditions.ts";
import type { Desired } from "./desired.ts";
import { providerEntry } from "./journal.ts";
import type { Attempt, Journal } from "./journal.ts";
import type { Observed } from "./plan.ts";
import type { MachineStatus } from "./session.ts";

/** Why a machine is not as it is wished. */
export interface Problem {
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
  /** It was refused; a change is needed. */
  readonly refused: boolean;
}

export interface StatusInput {
  readonly vm: VirtualMachine;
  /** Of the specification that was acted on: the object may have a newer one by now. */
  readonly generation: number;
  readonly journal: Journal;
  /** `namespace/name` of the Provider that the machine is on. */
  readonly providerKey: string;
  /** Id that a creation under way will give it. */
  readonly pendingId: string | undefined;
  /** Task of the attempt under way. */
  readonly task: string | undefined;
  readonly desired: Desired | undefined;
  readonly observed: Observed | undefined;
  readonly problem: Problem | undefined;
  /** Fields that nothing acts on. */
  readonly ignored: readonly string[];
  /** How a reconfiguration ended in this reconcile, and when. */
  readonly reconfigured:
    { readonly condition: Omit<ConditionInput, "type">; readonly at: string | undefined } | undefined;
  /** The machine's snapshots that exist. */
  readonly snapshots: MachineStatus["snapshots"] | undefined;
  /** Names the trace of the operation under way. */
  readonly traceNote: string | undefined;
  readonly nowMs: number;
}

/** A status that says which machine is the object's, and where it is, once that is known: what journals are measured by. Pure. */
export function withMachine(
  status: MachineStatus | undefined,
  id: string | undefined,
  providerKey: string | undefined,
): MachineStatus {
  const { id: _id, provider, ...rest } = status ?? {};
  const { [providerEntry]: _key, ...others } = provider ?? {};
  const hasId = id !== undefined && id !== "";
  const entries = hasId && providerKey !== undefined ? { ...others, [providerEntry]: providerKey } : others;
  return {
    ...rest,
    ...(hasId ? { id } : {}),
    ...(Object.keys(entries).length === 0 ? {} : { provider: entries }),
  };
}

/** The status of a machine. Pure; what is not known anew stays as it was. */
export function machineStatus(input: StatusInput): MachineStatus {
  const { vm, journal, observed, desired, task } = input;
  const { attempt } = journal;
  // Of another manager's machine it is only known where the object says that it is, until it was seen there.
  const places = [journal.provider, vm.status?.provider?.[providerEntry]];
  const place = places.includes(input.providerKey) ? input.providerKey : undefined;
  const status: MachineStatus = withMachine(vm.status, journal.id ?? input.pendingId, place);
  const assign = <K extends keyof MachineStatus>(key: K, value: MachineStatus[K] | undefined): void => {
    if (value === undefined || value === "") delete status[key];
    else status[key] = value;
  };
  const ready = readyCondition(input);
  assign("lastTaskRef", attempt?.operation === "Reconfigure" ? undefined : task);
  assign("reconfigureTaskRef", attempt?.operation === "Reconfigure" ? task : undefined);
  if (observed?.exists === true) {
    if (observed.power !== undefined) status.powerState = observed.power;
    assign("ips", observed.ips.length === 0 ? undefined : [...observed.ips]);
    assign("consoleURL", observed.consoleUrl);
  } else if (journal.id === undefined) {
    assign("powerState", undefined);
    assign("ips", undefined);
    assign("consoleURL", undefined);
  }
  if (desired !== undefined && journal.id !== undefined && journal.applied === desired.digest) {
    const { CPU, MemoryMiB } = desired.class;
    status.currentResources = {
      ...(CPU === undefined ? {} : { cpu: CPU }),
      ...(MemoryMiB === undefined ? {} : { memoryMiB: MemoryMiB }),
    };
  }
  assign("snapshots", input.snapshots);
  if (input.reconfigured?.at !== undefined) status.lastReconfigureTime = input.reconfigured.at;
  status.phase = phaseOf(input);
  assign("message", ready.message);
  status.observedGeneration = input.generation;
  status.conditions = conditionsOf(input, ready);
  return status;
}

function phaseOf({ vm, journal, observed, problem }: StatusInput): NonNullable<MachineStatus["phase"]> {
  const before = vm.status?.phase ?? "Pending";
  if (vm.metadata.deletionTimestamp !== undefined) return "Deleting";
  const { attempt } = journal;
  if (journal.id === undefined) {
    if (attempt !== undefined) return "Provisioning";
    return journal.failures?.Create !== undefined && problem?.refused !== false ? "Failed" : "Pending";
  }
  if (attempt?.operation === "Reconfigure" || attempt?.operation === "Revert") return "Reconfiguring";
  // A machine that has just been made is not "Stopped" on its way to its first start.
  if (attempt !== undefined && (before === "Pending" || before === "Provisioning")) return "Provisioning";
  if (observed?.power === "On") return "Running";
  if (observed?.power !== undefined) return "Stopped";
  return before === "Pending" ? "Provisioning" : before;
}

function conditionsOf(
  input: StatusInput,
  ready: Omit<ConditionInput, "type">,
): NonNullable<MachineStatus["conditions"]> {
  const { vm, journal, problem, ignored, reconfigured, nowMs } = input;
  const context = { generation: input.generation, nowMs };
  let conditions = withCondition(vm.status?.conditions, { type: "Ready", ...ready }, context);
  const provisioned: Omit<ConditionInput, "type"> =
    journal.id !== undefined
      ? { status: "True", reason: "Created", message: `the provider knows it as ${journal.id}` }
      : problem !== undefined
        ? { status: "False", reason: problem.reason, message: problem.message }
        : { status: "False", reason: "Creating", message: "the machine does not exist yet" };
  conditions = withCondition(conditions, { type: "Provisioned", ...provisioned }, context);
  if (reconfigured !== undefined) {
    conditions = withCondition(conditions, { type: "Reconfigured", ...reconfigured.condition }, context);
  }
  const { attempt, reverted } = journal;
  if (reverted !== undefined && attempt?.operation !== "Revert") {
    const message = `the machine was put back to VMSnapshot ${reverted.name}`;
    conditions = withCondition(conditions, { type: "Reverted", status: "True", reason: "Reverted", message }, context);
  } else if (findCondition(conditions, "Reverted") !== undefined) {
    conditions = withoutCondition(conditions, "Reverted");
  }
  if (ignored.length > 0) {
    const condition = { status: "True", reason: "NotImplemented", message: ignored.join(", ") } as const;
    return withCondition(conditions, { type: "FieldsIgnored", ...condition }, context);
  }
  return findCondition(conditions, "FieldsIgnored") === undefined
    ? conditions
    : withoutCondition(conditions, "FieldsIgnored");
}

function readyCondition(input: StatusInput): Omit<ConditionInput, "type"> {
  const { journal, observed, desired, problem } = input;
  if (problem !== undefined) return { status: "False", reason: problem.reason, message: problem.message };
  if (journal.attempt !== undefined) {
    const { reason, message } = wordsOf(journal.attempt);
    return {
      status: "False",
      reason,
      message: input.traceNote === undefined ? message : `${message} ${input.traceNote}`,
    };
  }
  if (isAsWished(journal, desired, observed)) {
    return observed?.power === "On"
      ? { status: "True", reason: "Running", message: "the machine is On" }
      : { status: "True", reason: "Stopped", message: `the machine is ${observed?.power}` };
  }
  if (observed?.unknownPower !== undefined) {
    const word = JSON.stringify(observed.unknownPower.slice(0, longestWord));
    const message = `the provider reports the power state ${word}; the machine is left alone until that is On, Off or Suspended`;
    return { status: "False", reason: "PowerStateUnknown", message };
  }
  if (journal.shutdownAtMs !== undefined) {
    return { status: "False", reason: "ShuttingDown", message: "the guest was asked to shut down" };
  }
  return { status: "False", reason: "Pending", message: "the machine is not as wished yet" };
}

/** Of what a provider says in place of a power state. */
const longestWord = 60;

/** The machine has the wished shape and power state. */
export function isAsWished(journal: Journal, desired: Desired | undefined, observed: Observed | undefined): boolean {
  if (desired === undefined || observed?.exists !== true || journal.applied !== desired.digest) return false;
  return desired.power === "On" ? observed.power === "On" : observed.power === "Off";
}

/**
 * A machine that is at rest as its status says, for as long as nobody looks: it was Ready, nothing has been asked for since, and nothing is
 * waited for. Undefined when it has to be looked at. Pure.
 */
export function observedAtRest(vm: VirtualMachine, journal: Journal): Observed | undefined {
  const { status, metadata } = vm;
  if (status === undefined || metadata.deletionTimestamp !== undefined) return undefined;
  const { id, applied, attempt, failures, poweredOnAtMs, shutdownAtMs } = journal;
  const { powerState: power } = status;
  if (id === undefined || status.id !== id || applied === undefined) return undefined;
  if (power === undefined || power === "OffGraceful") return undefined;
  if ([attempt, failures, poweredOnAtMs, shutdownAtMs].some((under) => under !== undefined)) return undefined;
  const ready = findCondition(status.conditions, "Ready");
  if (ready?.status !== "True" || ready.observedGeneration !== metadata.generation) return undefined;
  return { exists: true, power, ips: status.ips ?? [], consoleUrl: status.consoleURL ?? "" };
}

function wordsOf(attempt: Attempt): Pick<ConditionInput, "reason" | "message"> {
  switch (attempt.operation) {
    case "Create":
      return { reason: "Creating", message: "the provider is making the machine" };
    case "Delete":
      return { reason: "Deleting", message: "the provider is deleting the machine" };
    case "Reconfigure":
      return { reason: "Reconfiguring", message: "the provider is changing the machine" };
    case "Revert":
      return {
        reason: "Reverting",
        message: `the machine is being put back to ${attempt.snapshot?.name ?? "a snapshot"}`,
      };
    case "Power":
      return attempt.power === "On"
        ? { reason: "PoweringOn", message: "the machine is being powered on" }
        : { reason: "PoweringOff", message: "the machine is being powered off" };
  }
}
