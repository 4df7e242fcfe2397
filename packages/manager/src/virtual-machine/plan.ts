import { pollDelay, retryIn as pauseOf } from "../operation/pace.ts";
import type { Journal, Mutation, PowerAction, RevertTarget } from "./journal.ts";

/** What a DescribeVM said. */
export interface Observed {
  readonly exists: boolean;
  /** Undefined when the provider's word for it is not known. */
  readonly power: "On" | "Off" | "Suspended" | undefined;
  /** That word. */
  readonly unknownPower?: string;
  readonly ips: readonly string[];
  readonly consoleUrl: string;
}

/** What the object asks for, as far as the next step depends on it. */
export interface Wish {
  /** Digest of the machine's shape. */
  readonly digest: string;
  readonly power: "On" | "Off" | "OffGraceful";
  readonly gracefulMs: number;
}

export interface View {
  readonly nowMs: number;
  readonly generation: number;
  readonly deleting: boolean;
  readonly journal: Journal;
  /** Task of the attempt under way, when one is known. */
  readonly task: string | undefined;
  /** Undefined while something the object names is missing. */
  readonly wish: Wish | undefined;
  /** Undefined until asked for since the last change. */
  readonly observed: Observed | undefined;
  /** The snapshot that the machine is to be put back to. */
  readonly revert?: RevertTarget | undefined;
  /** The provider changes machines that run. */
  readonly reconfiguresOnline: boolean;
}

export type Step =
  | { readonly type: "create" | "delete" | "reconfigure" }
  | { readonly type: "power"; readonly action: PowerAction }
  | { readonly type: "revert"; readonly target: RevertTarget }
  /** Ask for the task of the attempt under way. */
  | { readonly type: "poll" }
  /** The request of the attempt under way may not have been sent: send it again. */
  | { readonly type: "resume" }
  /** The attempt under way is of no use any more. */
  | { readonly type: "abandon" }
  | { readonly type: "describe" }
  /** The machine exists no more, though nobody deleted it here. */
  | { readonly type: "vanished" }
  /** Let the object go. */
  | { readonly type: "release" }
  /** Nothing can be done without what is missing. */
  | { readonly type: "blocked" }
  | { readonly type: "wait"; readonly afterMs: number; readonly for: "retry" | "shutdown" | "address" }
  | { readonly type: "rest" };

/** After so long without an address the usual comparisons are enough. */
const addressPatienceMs = 600_000;

/** The next step towards the wish. Pure. */
export function plan(view: View): Step {
  const { journal } = view;
  if (journal.attempt !== undefined) return continueAttempt(view, journal.attempt.operation);
  if (view.deleting) return planDeletion(view);
  if (view.wish === undefined) return { type: "blocked" };
  if (journal.id === undefined) return when(view, "Create", { type: "create" });
  if (view.observed === undefined) return { type: "describe" };
  if (!view.observed.exists) return { type: "vanished" };
  return planChange(view, view.wish, view.observed);
}

function continueAttempt(view: View, operation: Mutation): Step {
  if (view.task !== undefined) return { type: "poll" };
  if (operation === "Delete") return { type: "resume" };
  // Whether a machine was made is only known by asking for it again; a power state nobody wants any more can be left alone.
  if (view.deleting && operation !== "Create") return { type: "abandon" };
  return view.wish === undefined ? { type: "blocked" } : { type: "resume" };
}

function planDeletion(view: View): Step {
  if (view.journal.id !== undefined) return when(view, "Delete", { type: "delete" });
  if (view.journal.uncertain === undefined) return { type: "release" };
  return view.wish === undefined ? { type: "blocked" } : when(view, "Create", { type: "create" });
}

function planChange(view: View, wish: Wish, observed: Observed): Step {
  const { journal, nowMs } = view;
  // First, since it undoes what the others do.
  if (view.revert !== undefined) return when(view, "Revert", { type: "revert", target: view.revert });
  const reshape = journal.applied !== undefined && journal.applied !== wish.digest;
  const mustStop = reshape && observed.power === "On" && !view.reconfiguresOnline;
  const candidates: [Mutation, Step][] = [];
  if (reshape && !mustStop) candidates.push(["Reconfigure", { type: "reconfigure" }]);
  // A machine that cannot be changed now because that failed just before is not shut down for it either.
  const target = mustStop && retryIn(view, "Reconfigure") === 0 ? "OffGraceful" : wish.power;
  const power = planPower(view, target, wish.gracefulMs, observed);
  if (power?.type === "wait") return power;
  if (power !== undefined) candidates.push(["Power", power]);
  let soonest = Number.POSITIVE_INFINITY;
  for (const [operation, step] of candidates) {
    const inMs = retryIn(view, operation);
    if (inMs === 0) return step;
    soonest = Math.min(soonest, inMs);
  }
  if (candidates.length > 0) return { type: "wait", afterMs: soonest, for: "retry" };
  if (journal.poweredOnAtMs !== undefined && observed.power === "On" && observed.ips.length === 0) {
    const ageMs = nowMs - journal.poweredOnAtMs;
    if (ageMs < addressPatienceMs) return { type: "wait", afterMs: pollDelay(ageMs), for: "address" };
  }
  return { type: "rest" };
}

function planPower(view: View, target: Wish["power"], gracefulMs: number, observed: Observed): Step | undefined {
  const { power } = observed;
  if (power === undefined) return undefined;
  if (target === "On") return power === "On" ? undefined : { type: "power", action: "On" };
  if (power === "Off") return undefined;
  // A suspended guest hears no request to shut down.
  if (target === "Off" || power === "Suspended") return { type: "power", action: "Off" };
  const { shutdownAtMs } = view.journal;
  if (shutdownAtMs === undefined) return { type: "power", action: "ShutdownGraceful" };
  const ageMs = view.nowMs - shutdownAtMs;
  if (ageMs >= gracefulMs) return { type: "power", action: "Off" };
  return { type: "wait", afterMs: Math.min(pollDelay(ageMs), gracefulMs - ageMs), for: "shutdown" };
}

function when(view: View, operation: Mutation, step: Step): Step {
  const inMs = retryIn(view, operation);
  return inMs === 0 ? step : { type: "wait", afterMs: inMs, for: "retry" };
}

function retryIn(view: View, operation: Mutation): number {
  return pauseOf(view.journal.failures?.[operation], view);
}

/** The journal after a look at the machine, and the power-on whose first address it showed. Pure. */
export function afterObservation(
  journal: Journal,
  observed: Observed,
  wish: Wish | undefined,
): { readonly journal: Journal; readonly addressSince?: number } {
  if (!observed.exists) return { journal };
  const { poweredOnAtMs, shutdownAtMs, ...rest } = journal;
  // A machine of another manager has the shape it has; taking it over must not change it.
  const applied = rest.applied ?? wish?.digest;
  // Still to be waited for: by one that is wished off, and by one that is stopped only to be changed.
  const stopping = wish === undefined || wish.power === "OffGraceful" || applied !== wish.digest;
  const starting = observed.power === "On" && observed.ips.length === 0;
  const next: Journal = {
    ...rest,
    ...(applied === undefined ? {} : { applied }),
    ...(shutdownAtMs !== undefined && observed.power === "On" && stopping ? { shutdownAtMs } : {}),
    ...(poweredOnAtMs !== undefined && starting ? { poweredOnAtMs } : {}),
  };
  const found = poweredOnAtMs !== undefined && observed.power === "On" && !starting;
  return found ? { journal: next, addressSince: poweredOnAtMs } : { journal: next };
}
