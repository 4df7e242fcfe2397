import type { ReconcileContext } from "@almanac/controller";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { ManagerContext } from "../context.ts";
import { createSession as createObjectSession } from "../operation/session.ts";
import type { Session as ObjectSession, SessionKind } from "../operation/session.ts";
import { finalizer, readJournal, writeJournal } from "./journal.ts";
import type { Journal } from "./journal.ts";

export type MachineStatus = NonNullable<VirtualMachine["status"]>;

/** One reconcile's hold on a machine's object. */
export interface Session extends ObjectSession<VirtualMachine, Journal> {
  /** As the last write left it. */
  readonly vm: VirtualMachine;
}

const machineJournal: SessionKind<VirtualMachine, Journal> = {
  finalizer,
  readJournal,
  writeJournal,
  attemptMark: ({ attempt }) => (attempt === undefined ? undefined : String(attempt.startedAtMs)),
};

export function createSession(
  manager: Pick<ManagerContext, "resources" | "telemetry" | "clock" | "released">,
  object: VirtualMachine,
  context: ReconcileContext<VirtualMachine>,
): Session {
  const session = createObjectSession(manager, manager.resources.virtualMachines, machineJournal, object, context);
  return Object.defineProperty(session, "vm", { get: () => session.object }) as Session;
}
