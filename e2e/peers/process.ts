import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PeerError } from "./errors.ts";
import { listensOn } from "./listening.ts";

const defaultReadyMs = 30_000;
const defaultStopMs = 5_000;
const pollMs = 50;
/** One health request; a peer that is starting may accept and not answer. */
const requestMs = 1_000;
const tailLines = 20;

/** What every `start…` function of this folder takes. */
export interface StartOptions {
  /** The caller's folder for the peer's configuration, data and log; created when missing, never removed. */
  readonly folder: string;
  /** Stops waiting for readiness, and ends what was started. */
  readonly signal?: AbortSignal;
  /** Deadline of readiness, in milliseconds. Default 30 000. */
  readonly readyMs?: number;
}

export interface ProcessOptions extends StartOptions {
  readonly args: readonly string[];
  /** The whole environment besides PATH and HOME: settings of the caller's shell must not reach a peer. */
  readonly env?: Readonly<Record<string, string>>;
  /** Answers 2xx when the peer is ready. */
  readonly healthUrl: string;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process this run started. Disposing stops it. */
export interface PeerProcess extends AsyncDisposable {
  readonly pid: number;
  /** Its standard output and error. */
  readonly logFile: string;
  /** Resolves when it ends, whoever ended it; never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends it by pid: SIGTERM, after `graceMs` (default 5 000) SIGKILL. Safe to call again and after its end. */
  stop(graceMs?: number): Promise<Exit>;
}

/**
 * Starts `program` and waits until its health URL answers. `name` names the log file and the errors.
 * Throws {@link PeerError} `exited` with the end of its log, `not_ready` or `aborted`; nothing is left running then.
 */
export async function startProcess(name: string, program: string, options: ProcessOptions): Promise<PeerProcess> {
  const { folder, signal, args, env = {}, healthUrl, readyMs = defaultReadyMs } = options;
  throwIfAborted(name, signal);
  mkdirSync(folder, { recursive: true });
  const logFile = join(folder, `${name}.log`);
  // A file and not a pipe: a peer must not block, or die, because nobody reads.
  const log = openSync(logFile, "w");
  let child: ChildProcess;
  try {
    child = spawn(program, args, { cwd: folder, env: { ...inherited(), ...env }, stdio: ["ignore", log, log] });
  } finally {
    closeSync(log);
  }
  const peer = track(child, logFile);
  try {
    await untilReady(name, peer, healthUrl, readyMs, signal);
    return peer;
  } catch (error) {
    await peer.stop();
    throw error;
  }
}

function track(child: ChildProcess, logFile: string): PeerProcess {
  let ended = false;
  const exited = new Promise<Exit>((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null): void => {
      ended = true;
      process.off("exit", killNow);
      resolve({ code, signal });
    };
    child.once("exit", end);
    child.once("error", (error) => {
      // It never ran; the log is where errors look for the reason.
      appendFileSync(logFile, `${error.message}\n`);
      end(null, null);
    });
  });
  // By the handle of this very child: once it was reaped, the handle sends nothing to a process that reuses the pid.
  const send = (signal: NodeJS.Signals): void => {
    if (!ended) child.kill(signal);
  };
  // The last resort for a run that ends without disposing.
  function killNow(): void {
    send("SIGKILL");
  }
  process.on("exit", killNow);

  const stop = async (graceMs = defaultStopMs): Promise<Exit> => {
    send("SIGTERM");
    const grace = new AbortController();
    const timer = delay(graceMs, undefined, { signal: grace.signal }).then(killNow, () => undefined);
    try {
      return await exited;
    } finally {
      grace.abort();
      await timer;
    }
  };
  return {
    pid: child.pid ?? -1,
    logFile,
    exited,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

async function untilReady(
  name: string,
  peer: PeerProcess,
  healthUrl: string,
  readyMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = performance.now() + readyMs;
  let exit: Exit | undefined;
  void peer.exited.then((value) => {
    exit = value;
  });
  let last = "no answer";
  const port = Number(new URL(healthUrl).port);
  for (;;) {
    throwIfAborted(name, signal);
    const answer = await probe(healthUrl, signal);
    if (exit !== undefined) {
      throw new PeerError(
        "exited",
        `${name} ended with ${exit.signal ?? exit.code ?? "no pid"}\n${tail(peer.logFile)}`,
      );
    }
    if (answer === "ready" && listensOn(peer.pid, port) !== false) return;
    last = answer === "ready" ? "another process answers there" : answer;
    if (performance.now() > deadline) {
      throw new PeerError("not_ready", `${name}: ${healthUrl} after ${readyMs} ms: ${last}\n${tail(peer.logFile)}`);
    }
    await delay(pollMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

async function probe(url: string, signal: AbortSignal | undefined): Promise<string> {
  const timeout = AbortSignal.timeout(requestMs);
  try {
    const response = await fetch(url, { signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) });
    await response.body?.cancel();
    return response.ok ? "ready" : `status ${response.status}`;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return cause instanceof Error ? cause.message : String(cause);
  }
}

function throwIfAborted(name: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new PeerError("aborted", `${name} was not waited for`, { cause: signal.reason });
}

function inherited(): Record<string, string> {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME };
}

function tail(file: string): string {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n").slice(-tailLines);
  return [`last lines of ${file}:`, ...lines.map((line) => `    ${line}`)].join("\n");
}
