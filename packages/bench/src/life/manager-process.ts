import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TelemetryKind } from "../manager-telemetry.ts";
import type { CountsAnswer, CpuAnswer, ManagerSettings, Question } from "./manager-child.ts";

/** A manager in a process of its own, so that its CPU time and its memory are its alone. Disposing kills it. */
export interface ManagerProcess extends AsyncDisposable {
  cpu(): Promise<CpuAnswer>;
  counts(): Promise<CountsAnswer>;
  /** Resolves once what was waiting to be exported is. */
  flush(): Promise<void>;
  /** Of one with "switched" telemetry: which of them records from now on. */
  use(kind: TelemetryKind): Promise<void>;
  /** Resident set. Linux only. */
  rssMib(): number;
}

const child = fileURLToPath(new URL("manager-child.ts", import.meta.url));

/** Resolves once the manager's informers are complete. Rejects when its process ends first. */
export async function startManagerProcess(settings: ManagerSettings): Promise<ManagerProcess> {
  const manager = fork(child, [JSON.stringify(settings)], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  // Its log goes where a container's does, into a pipe that somebody reads.
  manager.stdout?.resume();
  const gone = Promise.withResolvers<never>();
  manager.once("error", gone.reject);
  manager.once("exit", (code, signal) => gone.reject(new Error(`the manager's process ended: ${signal ?? code}`)));
  // Told to whoever waits for an answer; at the end nobody does.
  gone.promise.catch(() => {});
  const nextMessage = (): Promise<unknown> =>
    Promise.race([new Promise((resolve) => manager.once("message", resolve)), gone.promise]);
  await nextMessage();

  async function ask<A>(question: Question): Promise<A> {
    const answer = nextMessage();
    manager.send(question);
    return (await answer) as A;
  }
  return {
    cpu: () => ask("cpu"),
    counts: () => ask("counts"),
    async flush() {
      await ask("flush");
    },
    async use(kind) {
      await ask(kind);
    },
    rssMib() {
      const status = readFileSync(`/proc/${manager.pid}/status`, "utf8");
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) / 1_024;
    },
    async [Symbol.asyncDispose]() {
      manager.kill("SIGKILL");
      await gone.promise.catch(() => {});
    },
  };
}
