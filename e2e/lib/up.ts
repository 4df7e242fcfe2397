import { spawn } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually, must } from "./report.ts";

/** What `.almanac/up.json` says. */
export interface UpJson {
  readonly kubeconfig: string;
  readonly targets: readonly { readonly component: string; readonly name: string; readonly metrics: string }[];
  readonly providers: readonly {
    readonly name: string;
    readonly grpc: string;
    readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
    readonly stateDir: string;
  }[];
}

/** `almanac up` in a process of its own. Disposing stops it as Ctrl-C would. */
export interface RunningUp extends AsyncDisposable {
  readonly directory: string;
  readonly pid: number;
  /** Read anew at every call. */
  info(): UpJson;
  /** Everything it has printed so far. */
  output(): string;
  readonly exited: Promise<number | null>;
  stop(): Promise<number | null>;
}

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Starts `almanac up ARGS` with its run folder below `folder`, the way `npm start` does; output goes to a file there too. */
export function spawnUp(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): RunningUp {
  const directory = join(folder, "run");
  const child = spawn(
    process.execPath,
    ["-C", "source", join(root, "packages/cli/src/main.ts"), "up", "--dir", directory, ...args],
    { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  const keep = (chunk: Buffer): void => {
    output += chunk.toString();
    appendFileSync(join(folder, "up.log"), chunk);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const exited = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  const stop = async (): Promise<number | null> => {
    child.kill("SIGINT");
    const force = setTimeout(() => child.kill("SIGKILL"), 30_000);
    const code = await exited;
    clearTimeout(force);
    return code;
  };
  return {
    directory,
    pid: child.pid ?? 0,
    info: () => JSON.parse(readFileSync(join(directory, "up.json"), "utf8")) as UpJson,
    output: () => output,
    exited,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

/** Waits until both providers are listed and everything answers. */
export async function untilUp(up: RunningUp): Promise<UpJson> {
  let code: number | null | undefined;
  void up.exited.then((exit) => (code = exit));
  return eventually(async () => {
    must(code === undefined, `almanac up ended with exit code ${code}:\n${up.output().slice(-2000)}`);
    must(existsSync(join(up.directory, "up.json")), "up.json has not been written yet");
    must(up.output().includes("Up in"), "not up yet");
    const info = up.info();
    must(info.providers.length === 2, `${info.providers.length} providers listed, expected 2`);
    return info;
  }, 90_000);
}
