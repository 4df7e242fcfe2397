import { spawn } from "node:child_process";
import { setPriority } from "node:os";
import { PeerError } from "./errors.ts";

/** Niceness of builds: they take the processor time that tests and people leave. */
const buildNiceness = 5;

/** How many of the last output lines a failure shows. */
const tailLines = 25;

/** What a build step reports while it runs. */
export interface StepContext {
  readonly signal: AbortSignal;
  /** Names what is happening now; the heartbeat repeats it. */
  readonly phase: (text: string) => void;
  /** Called for every line of output. */
  readonly onLine: (line: string) => void;
}

export interface StepOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs one command of a build at low priority, without a shell, standard input closed. Resolves with its output.
 * Throws {@link PeerError} `build_failed` with the last lines of output, or `aborted`; the whole process group is ended then.
 */
export async function runStep(
  command: readonly [string, ...string[]],
  context: StepContext,
  options: StepOptions,
): Promise<string> {
  const [program, ...args] = command;
  context.signal.throwIfAborted();
  // A group of its own: the compiler's children end with it.
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const kill = (): void => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, "SIGTERM");
    } catch {
      // It ended in between.
    }
  };
  context.signal.addEventListener("abort", kill, { once: true });
  process.on("exit", kill);
  try {
    if (child.pid !== undefined) lowerPriority(child.pid);
    const lines: string[] = [];
    let open = "";
    const take = (chunk: Buffer): void => {
      const parts = (open + chunk.toString("utf8")).split("\n");
      open = parts.pop() ?? "";
      for (const line of parts) {
        lines.push(line);
        context.onLine(line);
      }
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    const end = await new Promise<string>((resolve) => {
      child.once("error", (error) => {
        resolve(error.message);
      });
      child.once("close", (code, signal) => {
        resolve(code === 0 ? "" : (signal ?? `exit code ${code ?? "unknown"}`));
      });
    });
    if (open !== "") lines.push(open);
    if (context.signal.aborted) throw new PeerError("aborted", `${program} was stopped`);
    if (end !== "") {
      const tail = lines.slice(-tailLines).map((line) => `    ${line}`);
      throw new PeerError("build_failed", [`${[program, ...args].join(" ")}: ${end}`, ...tail].join("\n"));
    }
    return lines.join("\n");
  } finally {
    context.signal.removeEventListener("abort", kill);
    process.off("exit", kill);
  }
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, buildNiceness);
  } catch {
    // Some containers forbid it; the build is then merely less polite.
  }
}
