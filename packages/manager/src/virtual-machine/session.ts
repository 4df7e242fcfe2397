import type { ReconcileContext } from "@almanac/controller";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { Informers, ManagerContext } from "../context.ts";
import { createSession as createObjectSession, refusalOf } from "../operation/session.ts";
import type { Session as ObjectSession, SessionKind } from "../operation/session.ts";
import { finalizer } from "./journal.ts";
import type { Journal } from "./journal.ts";
import { machineRefusal, ownJournal } from "./references.ts";

export type MachineStatus = NonNullable<VirtualMachine["status"]>;

/** One reconcile's hold on a machine's object. */
export interface Session extends ObjectSession<VirtualMachine, Journal> {
  /** As the last write left it. */
  readonly vm: VirtualMachine;
}

function machineJournal(informers: Pick<Informers, "virtualMachines">): SessionKind<VirtualMachine, Journal> {
  return {
    finalizer,
    readJournal: (vm) => ownJournal(vm, informers),
    refusal: (vm) => refusalOf(vm) ?? machineRefusal(vm, informers),
    attemptMark: ({ attempt }) => (attempt === undefined ? undefined : String(attempt.startedAtMs)),
  };
}

export function createSession(
  manager: Pick<ManagerContext, "resources" | "informers" | "telemetry" | "clock" | "released" | "events">,
  object: VirtualMachine,
  context: ReconcileContext<VirtualMachine>,
): Session {
  const kind = machineJournal(manager.informers);
  const session = createObjectSession(manager, manager.resources.virtualMachines, kind, object, context);
  return Object.defineProperty(session, "vm", { get: () => session.object }) as Session;
}
