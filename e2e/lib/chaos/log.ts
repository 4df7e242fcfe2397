import { readFileSync } from "node:fs";
import type { Life } from "./managed-process.ts";

/** One line that says that an operation ended: it is written in the same breath in which the result is counted. */
export interface Counted {
  /** `Kind namespace/name`. */
  readonly object: string;
  readonly operation: string;
  readonly startedAtMs: number;
  readonly outcome: "success" | "failure";
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly life: Life;
}

/** A reconcile that its process did not live to end, or that came to nothing because it was stopped in its midst. */
export interface CutReconcile {
  /** `Kind namespace/name`. */
  readonly object: string;
  /** When it began and when its process was killed or stopped, milliseconds since the epoch. */
  readonly atMs: number;
  readonly endedAtMs: number;
}

interface Line {
  readonly msg: string;
  readonly time: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly operation?: string;
  readonly startedAtMs?: number;
  readonly outcome?: string;
}

const ends = ["reconciled", "reconcile failed", "reconcile failed for good"];

/** What a manager's log says of its results, and what it was at when it was killed. */
export function readLog(life: Life): { readonly counted: readonly Counted[]; readonly cut: readonly CutReconcile[] } {
  const counted: Counted[] = [];
  const cut: CutReconcile[] = [];
  const open = new Map<string, number>();
  const { endedAtMs, pauses } = life;
  for (const text of readFileSync(life.logFile, "utf8").split("\n")) {
    const line = parse(text);
    if (line === undefined) continue;
    const object = `${line.kind} ${line.namespace}/${line.name}`;
    const atMs = Date.parse(line.time);
    if (line.msg === "reconciling") open.set(object, atMs);
    else if (ends.includes(line.msg)) {
      const beganAtMs = open.get(object);
      open.delete(object);
      const pause = pauses.find(({ fromMs, toMs }) => (beganAtMs ?? toMs) <= fromMs && toMs <= atMs);
      if (beganAtMs !== undefined && pause !== undefined && line.msg !== "reconciled")
        cut.push({ object, atMs: beganAtMs, endedAtMs: pause.fromMs });
    }
    if (line.msg === "An operation ended" && line.operation !== undefined && line.startedAtMs !== undefined) {
      const { operation, startedAtMs } = line;
      const outcome = line.outcome === "success" ? "success" : "failure";
      counted.push({ object, operation, startedAtMs, outcome, atMs, life });
    }
  }
  if (endedAtMs !== undefined) for (const [object, atMs] of open) cut.push({ object, atMs, endedAtMs });
  return { counted, cut };
}

/** When this process held a Lease for the first time from `fromMs` on, milliseconds since the epoch. */
export function firstLeading(life: Life, fromMs: number): number | undefined {
  const times = readFileSync(life.logFile, "utf8")
    .split("\n")
    .map(parse)
    .filter((line) => line?.msg === "leading")
    .map((line) => Date.parse(line?.time ?? ""));
  return times.find((atMs) => atMs >= fromMs);
}

/** Undefined for what is no line of the log, and for the last one, when the process was killed while it wrote it. */
function parse(text: string): Line | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    return JSON.parse(text) as Line;
  } catch {
    return undefined;
  }
}
