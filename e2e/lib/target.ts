import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TargetOptions, TargetReport } from "../targets/plan.ts";
import { eventually, must } from "./report.ts";

const readyTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;

/** `targets/formats.ts` in a process of its own. Disposing ends it. */
export interface Target extends AsyncDisposable, TargetReport {
  /** Ends it as an orchestrator would, and gives its exit code; null when it had to be killed. */
  stop(): Promise<number | null>;
}

/** Starts the target and waits for its report. Its output lies in `folder`. */
export async function startTarget(folder: string, options: TargetOptions): Promise<Target> {
  mkdirSync(folder, { recursive: true });
  const logFile = join(folder, "target.log");
  const log = openSync(logFile, "w");
  const program = fileURLToPath(new URL("../targets/formats.ts", import.meta.url));
  const child = spawn(process.execPath, ["-C", "source", program, JSON.stringify(options)], {
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  let code: number | null | undefined;
  const exited = new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", (value) => resolve((code = value)));
  });
  const stop = async (): Promise<number | null> => {
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await exited;
    clearTimeout(force);
    return code ?? null;
  };
  try {
    const report = await eventually(() => {
      const output = readFileSync(logFile, "utf8");
      must(code === undefined, `the target ended with exit code ${code}:\n${output}`);
      const line = output.split("\n").find((candidate) => candidate.startsWith("{") && candidate.endsWith("}"));
      must(line !== undefined, `no report from the target yet:\n${output}`);
      return JSON.parse(line) as TargetReport;
    }, readyTimeoutMs);
    return {
      ...report,
      stop,
      async [Symbol.asyncDispose]() {
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
