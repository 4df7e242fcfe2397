import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Report } from "./report.ts";
import type { TargetOptions, TargetReport } from "../targets/plan.ts";
import { eventually, must } from "./report.ts";

const readyTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;

/** `targets/formats.ts` in a process of its own. Disposing ends it. */
export interface Target extends AsyncDisposable, TargetReport {
  /** Ends it as an orchestrator would, and gives its exit code; null when it had to be killed. */
  stop(): Promise<number | null>;
  /** What it has printed besides its report: what OpenTelemetry's diagnostics had to say. */
  complaints(): string[];
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
      const lines = linesOf(logFile);
      must(code === undefined, `the target ended with exit code ${code}:\n${lines.join("\n")}`);
      const line = lines.find(isReport);
      must(line !== undefined, `no report from the target yet:\n${lines.join("\n")}`);
      return JSON.parse(line) as TargetReport;
    }, readyTimeoutMs);
    return {
      ...report,
      stop,
      complaints: () => linesOf(logFile).filter((line) => !isReport(line)),
      async [Symbol.asyncDispose]() {
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Ends the target; it must have had nothing to complain of until then, and end cleanly. */
export function checkQuietEnd(report: Report, target: Target): Promise<void> {
  return report.check("the target had nothing to complain of and ends when it is told to", async () => {
    const code = await target.stop();
    const complaints = target.complaints();
    must(complaints.length === 0, complaints.slice(0, 20).join("\n"));
    must(code === 0, `exit code ${code}`);
  });
}

function linesOf(file: string): string[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

function isReport(line: string): boolean {
  return line.startsWith('{"metricsUrl"') && line.endsWith("}");
}
