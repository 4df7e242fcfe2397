import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { scrape } from "../page.ts";
import type { Sample } from "../page.ts";
import { must } from "../report.ts";
import { lifeAttribute } from "./spans.ts";

/** One process between its start and its end, and the last that was read of its metrics. */
export interface Life {
  /** Its name in its spans. */
  readonly name: string;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly logFile: string;
  /** Milliseconds since the epoch; undefined when it never was. */
  readyAtMs: number | undefined;
  /** When the last reading began, milliseconds since the epoch; undefined when there is none. */
  readAtMs: number | undefined;
  /** When it ended. */
  readEndedAtMs: number | undefined;
  samples: readonly Sample[];
  endedAtMs: number | undefined;
  /** When it was stopped and when it was let go on, milliseconds since the epoch. */
  readonly pauses: { readonly fromMs: number; readonly toMs: number }[];
}

/** A process that is killed and started again, with the pages it left behind. */
export interface ManagedProcess extends AsyncDisposable {
  readonly lives: readonly Life[];
  readonly isReady: boolean;
  readonly kills: number;
  start(env?: Readonly<Record<string, string>>): void;
  /** Waits until it is ready. */
  ready(timeoutMs?: number): Promise<void>;
  /** Reads its metrics. */
  read(): Promise<readonly Sample[]>;
  /**
   * Waits until it has been ready for `afterMs`, reads its metrics, sends SIGKILL at once and starts it again with variables added.
   * Resolves when it has been started, not when it is ready. One after the other.
   */
  restart(options?: { readonly afterMs?: number; readonly env?: Readonly<Record<string, string>> }): Promise<void>;
  /** Stops it (SIGSTOP) for so long, and until `over` resolves, and lets it go on. */
  pause(forMs: number, over: () => Promise<unknown>): Promise<void>;
}

interface ManagedProcessOptions {
  readonly name: string;
  /** Its program: this file, with these arguments. */
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** `http://host:port` of its metrics and health; none is not read. */
  readonly url: string | undefined;
  /** Where the logs go, `NAME-LIFE.log`. */
  readonly logFolder: string;
}

/** The command line as users have it. */
export const cli = fileURLToPath(new URL("../../../packages/cli/src/main.ts", import.meta.url));

const keepCompiled = new URL("keep-compiled.ts", import.meta.url).href;
const pollMs = 40;

export function createManagedProcess(options: ManagedProcessOptions): ManagedProcess {
  const { name, url } = options;
  const lives: Life[] = [];
  let child: ChildProcess | undefined;
  let gone: Promise<void> = Promise.resolve();
  let isReady = false;
  let kills = 0;
  let unexpected: string | undefined;
  let expected = false;
  let restarting: Promise<void> = Promise.resolve();

  async function answers(): Promise<boolean> {
    if (url === undefined) return true;
    return fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) }).then(
      (response) => response.ok,
      () => false,
    );
  }

  const current = (): Life => {
    const life = lives.at(-1);
    must(life !== undefined, `${name} was never started`);
    return life;
  };

  async function kill(): Promise<void> {
    must(unexpected === undefined, `${unexpected}:\n${tail(current().logFile)}`);
    if (child === undefined) return;
    if (isReady && url !== undefined) await read().catch(() => undefined);
    expected = true;
    isReady = false;
    child.kill("SIGKILL");
    kills += 1;
    await gone;
  }

  async function untilReady(timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!(await answers())) {
      must(unexpected === undefined, `${unexpected}:\n${tail(current().logFile)}`);
      must(Date.now() < deadline, `${name} is not ready after ${timeoutMs / 1_000} s:\n${tail(current().logFile)}`);
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    current().readyAtMs ??= Date.now();
    isReady = true;
  }

  async function read(): Promise<readonly Sample[]> {
    const life = current();
    const beganAtMs = Date.now();
    const samples = await scrape(`${url}/metrics`);
    // Only a whole page counts: what was counted later is not on it.
    life.readAtMs = beganAtMs;
    life.readEndedAtMs = Date.now();
    life.samples = samples;
    return samples;
  }

  const managed: ManagedProcess = {
    lives,
    get isReady() {
      return isReady;
    },
    get kills() {
      return kills;
    },
    start(env = {}) {
      must(child === undefined, `${name} runs already`);
      expected = false;
      const lifeName = `${name.replaceAll(" ", "-")}-${lives.length}`;
      const logFile = join(options.logFolder, `${lifeName}.log`);
      const log = openSync(logFile, "a");
      // The first life compiles for all that follow.
      const preload = lives.length === 0 ? ["--import", keepCompiled] : [];
      const started = spawn(process.execPath, ["-C", "source", ...preload, options.file, ...options.args], {
        env: {
          ...process.env,
          ...options.env,
          ...env,
          OTEL_RESOURCE_ATTRIBUTES: `${lifeAttribute}=${lifeName}`,
        },
        stdio: ["ignore", log, log, "ipc"],
      });
      closeSync(log);
      child = started;
      const life: Life = {
        name: lifeName,
        pid: started.pid ?? 0,
        startedAtMs: Date.now(),
        logFile,
        readyAtMs: undefined,
        readAtMs: undefined,
        readEndedAtMs: undefined,
        samples: [],
        endedAtMs: undefined,
        pauses: [],
      };
      lives.push(life);
      gone = new Promise((resolve) => {
        started.once("close", (code, signal) => {
          life.endedAtMs = Date.now();
          child = undefined;
          isReady = false;
          if (!expected) unexpected = `${name} ended by itself (${signal ?? `exit code ${code}`})`;
          resolve();
        });
      });
    },
    async ready(timeoutMs = 60_000) {
      await restarting;
      await untilReady(timeoutMs);
    },
    read,
    restart({ afterMs = 0, env } = {}) {
      const next = restarting.then(async () => {
        await untilReady(60_000);
        await new Promise((resolve) => setTimeout(resolve, afterMs));
        await kill();
        managed.start(env);
      });
      restarting = next.catch(() => undefined);
      // Its readiness is seen by whoever looks for it.
      void next.then(() => untilReady(60_000)).catch(() => undefined);
      return next;
    },
    pause(forMs, over) {
      const next = restarting.then(async () => {
        await untilReady(60_000);
        const { pauses } = current();
        const stopped = child;
        const fromMs = Date.now();
        stopped?.kill("SIGSTOP");
        try {
          await new Promise((resolve) => setTimeout(resolve, forMs));
          await over();
        } finally {
          pauses.push({ fromMs, toMs: Date.now() });
          stopped?.kill("SIGCONT");
        }
      });
      restarting = next.catch(() => undefined);
      return next;
    },
    async [Symbol.asyncDispose]() {
      expected = true;
      child?.kill("SIGKILL");
      await gone;
    },
  };
  return managed;
}

function tail(file: string): string {
  return readFileSync(file, "utf8").split("\n").slice(-15).join("\n");
}
