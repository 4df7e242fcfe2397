import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { sleep, systemClock } from "@almanac/core";
import type { LogFile } from "./log-file.ts";

/** One process of the stack, started again with back-off whenever it ends by itself, as a kubelet would. */
export interface Component extends AsyncDisposable {
  readonly name: string;
  /** Process id of the running instance, undefined while it waits to be started again. */
  readonly pid: number | undefined;
  /** How often it was started again. */
  readonly restarts: number;
  /** Sends SIGTERM, and SIGKILL after `graceMs` (default 10 s). Resolves when it is gone. Idempotent. */
  stop(graceMs?: number): Promise<void>;
}

interface ComponentOptions {
  readonly name: string;
  /** Arguments of the `almanac` command, e.g. `["manager", "--kubeconfig", "…"]`. Never secrets: others can read them. */
  readonly args: readonly string[];
  /** Variables added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly log: LogFile;
  /** Told each time it ended without having been asked to. */
  readonly onExit?: (how: string) => void;
}

const entryPoint = fileURLToPath(new URL(`../main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url));
const firstDelayMs = 250;
const longestDelayMs = 10_000;
const healthyAfterMs = 10_000;

/** Starts `almanac ARGS` in a process of its own, with this process's Node.js and flags, and keeps it running. */
export function startComponent(options: ComponentOptions): Component {
  const { name, args, env = {}, log, onExit } = options;
  const stopping = new AbortController();
  let child: ChildProcess | undefined;
  let restarts = -1;

  const supervised = supervise();

  async function supervise(): Promise<void> {
    let delayMs = firstDelayMs;
    while (!stopping.signal.aborted) {
      restarts++;
      const startedAt = systemClock.monotonic();
      const how = await runOnce();
      if (stopping.signal.aborted) return;
      onExit?.(how);
      if (systemClock.monotonic() - startedAt > healthyAfterMs) delayMs = firstDelayMs;
      await sleep(delayMs, { signal: stopping.signal }).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, longestDelayMs);
    }
  }

  function runOnce(): Promise<string> {
    return new Promise((resolve) => {
      // The IPC channel closes when this process dies, however it dies: the component then ends itself.
      const running = spawn(process.execPath, [...process.execArgv, entryPoint, ...args], {
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe", "ipc"],
      });
      child = running;
      running.stdout?.on("data", (chunk: Buffer) => log.write(chunk));
      running.stderr?.on("data", (chunk: Buffer) => log.write(chunk));
      running.once("error", (error) => resolve(error.message));
      running.once("close", (code, signal) => {
        child = undefined;
        resolve(signal === null ? `exit code ${code}` : `signal ${signal}`);
      });
    });
  }

  async function stop(graceMs = 10_000): Promise<void> {
    stopping.abort();
    child?.kill("SIGTERM");
    const timer = systemClock.setTimeout(() => child?.kill("SIGKILL"), graceMs);
    await supervised;
    timer.cancel();
  }

  return {
    name,
    get pid() {
      return child?.pid;
    },
    get restarts() {
      return Math.max(restarts, 0);
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}
