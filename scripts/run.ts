import { spawn } from "node:child_process";

/** How a program ended, and what it wrote. */
export interface Ended {
  /** `null` where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  /** Both of its streams, as they came. */
  readonly output: string;
}

interface RunOptions {
  readonly cwd?: string;
}

/** Runs a program of PATH to its end. Resolves whatever its exit code is; rejects where it cannot be started. */
export function runToEnd(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", (error) => reject(new Error(`${program}: ${error.message}`, { cause: error })));
    child.on("close", (code) => resolve({ code, stdout, output }));
  });
}

/** Runs a program to its end and returns what it wrote to stdout. Rejects with all it said when it ends with another code than 0. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, output } = await runToEnd(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args[0] ?? ""} ended with ${code}:\n${output.trimEnd()}`);
  return stdout;
}
