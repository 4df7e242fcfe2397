import { linkSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** How often the holder touches its lock, and after how long without a touch others may take it. */
const touchMs = 5_000;
const staleMs = 60_000;
const pollMs = 500;

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Kernel's start time of the process, so that a reused pid is not taken for the holder; empty where unknown. */
  readonly started: string;
}

export interface LockOptions {
  /** Aborts the wait; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called once when another process holds the lock. */
  readonly onWait?: (holder: string) => void;
}

/**
 * Takes the lock file `path`, waiting for its holder. A lock is stale, and taken over, when its process has ended on this
 * host or has not touched it for a minute. Disposing releases it.
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<AsyncDisposable> {
  const { signal, onWait } = options;
  mkdirSync(dirname(path), { recursive: true });
  const mine: Holder = { pid: process.pid, host: hostname(), started: startTime(process.pid) };
  let told = false;
  for (;;) {
    signal?.throwIfAborted();
    if (tryCreate(path, mine)) return hold(path);
    const holder = readHolder(path);
    if (holder !== "gone" && isStale(path, holder)) {
      takeAway(path);
      continue;
    }
    if (!told && holder !== "gone") {
      told = true;
      onWait?.(holder === "unreadable" ? "an unknown process" : `process ${holder.pid} on ${holder.host}`);
    }
    await delay(pollMs, undefined, signal === undefined ? {} : { signal });
  }
}

function hold(path: string): AsyncDisposable {
  const touch = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      // Somebody removed the cache by hand; the build itself will notice.
    }
  }, touchMs);
  const release = (): void => {
    clearInterval(touch);
    process.off("exit", release);
    rmSync(path, { force: true });
  };
  process.on("exit", release);
  return {
    [Symbol.asyncDispose](): Promise<void> {
      release();
      return Promise.resolve();
    },
  };
}

function tryCreate(path: string, mine: Holder): boolean {
  // A link appears together with its content, so nobody reads a half-written lock.
  const draft = `${path}.${mine.host}.${mine.pid}`;
  writeFileSync(draft, JSON.stringify(mine));
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function readHolder(path: string): Holder | "gone" | "unreadable" {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Holder;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "gone" : "unreadable";
  }
}

function isStale(path: string, holder: Holder | "unreadable"): boolean {
  if (ageMs(path) > staleMs) return true;
  if (holder === "unreadable" || holder.host !== hostname()) return false;
  const now = startTime(holder.pid);
  return holder.started === "" ? !isAlive(holder.pid) : now !== holder.started;
}

/** Removes a stale lock. Guarded, because two who saw the same stale lock would else remove the first one's new lock. */
function takeAway(path: string): void {
  const guard = `${path}.takeover`;
  try {
    writeFileSync(guard, String(process.pid), { flag: "wx" });
  } catch {
    if (ageMs(guard) > 10_000) rmSync(guard, { force: true });
    return;
  }
  try {
    const holder = readHolder(path);
    if (holder !== "gone" && isStale(path, holder)) rmSync(path, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

function ageMs(path: string): number {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 22; the command name in field 2 may hold spaces and ends at the last parenthesis.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
