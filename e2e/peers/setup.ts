/**
 * Builds the real peers that are missing from the cache: `node e2e/peers/setup.ts --help`.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cacheRoot } from "./cache.ts";
import { PeerError } from "./errors.ts";
import { providePeer } from "./provide.ts";
import type { Provided } from "./provide.ts";
import { recipes } from "./recipes.ts";
import type { BinaryName, Recipe } from "./recipes.ts";
import { checkVersion } from "./versions.ts";

const heartbeatMs = 15_000;
const buildsAtOnce = 2;

const usage = `Usage: node e2e/peers/setup.ts [--only NAME,…] [--json] [--help]

Builds the real peers of the end-to-end scenarios into $ALMANAC_PEERS_CACHE
(default ~/.cache/almanac/peers). What is there and up to date is left alone, but asked for its version.

  --only NAME,…  some of them: ${recipes.map(({ name }) => name).join(", ")}
  --json         a report on standard output; progress goes to standard error
  --help         this text

Exit code: 0 all are there, 1 one could not be built or is wrong, 2 usage.
`;

interface Outcome {
  readonly name: string;
  readonly version: string;
  readonly status: Provided["status"] | "failed";
  /** Time this run spent on it. */
  readonly seconds: number;
  readonly folder?: string;
  readonly bytes?: Partial<Record<BinaryName, number>>;
  readonly error?: { readonly code: string; readonly message: string };
}

async function main(argv: readonly string[]): Promise<number> {
  const options = parse(argv);
  if (typeof options === "string") {
    process.stderr.write(`${options}\n\n${usage}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  const stop = new AbortController();
  const interrupt = (signal: NodeJS.Signals): void => {
    say("setup", `${signal}: stopping`);
    stop.abort(new PeerError("aborted", signal));
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);

  const say = (name: string, text: string): void => {
    (options.json ? process.stderr : process.stdout).write(`${name.padEnd(10)} ${text}\n`);
  };
  const queue = [...options.chosen];
  const outcomes: Outcome[] = [];
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      outcomes.push(await provide(next, stop.signal, say));
    }
  };
  await Promise.all(Array.from({ length: buildsAtOnce }, worker));
  process.off("SIGINT", interrupt).off("SIGTERM", interrupt);

  const failed = outcomes.some(({ status }) => status === "failed");
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ cache: cacheRoot(), ok: !failed, peers: outcomes }, undefined, 2)}\n`);
  }
  return failed ? 1 : 0;
}

/** Runs one peer to its end and prints its lines; never rejects. */
async function provide(
  recipe: Recipe,
  signal: AbortSignal,
  say: (name: string, text: string) => void,
): Promise<Outcome> {
  const begin = performance.now();
  const elapsed = (): number => Math.round((performance.now() - begin) / 100) / 10;
  const { name, version } = recipe;
  let phase = "";
  let lines = 0;
  const heartbeat = setInterval(() => {
    say(name, `… ${phase || "starting"}, ${duration(elapsed())}${lines > 0 ? `, ${lines} lines of output` : ""}`);
  }, heartbeatMs);
  try {
    const provided = await providePeer(recipe, {
      signal,
      phase: (text) => {
        say(name, phase === "" ? `${version}: ${text}` : text);
        phase = text;
        lines = 0;
      },
      onLine: () => {
        lines += 1;
      },
    });
    const { status, folder, record } = provided;
    for (const binary of recipe.binaries) checkVersion(binary, join(folder, binary));
    const size = Object.entries(record.bytes).map(([binary, bytes]) => `${binary} ${Math.round(bytes / 1e6)} MB`);
    say(name, `${version} ${status === "built" ? `built in ${duration(elapsed())}` : "is there"}: ${size.join(", ")}`);
    return { name, version, status, seconds: elapsed(), folder, bytes: record.bytes };
  } catch (thrown) {
    const { code, message } = PeerError.from(thrown);
    say(name, `${version} FAILED after ${duration(elapsed())}: ${message}`);
    return { name, version, status: "failed", seconds: elapsed(), error: { code, message } };
  } finally {
    clearInterval(heartbeat);
  }
}

interface Options {
  readonly help: boolean;
  readonly json: boolean;
  readonly chosen: readonly Recipe[];
}

/** The options, or what is wrong with them. */
function parse(argv: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { only: { type: "string" }, json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    });
    const wanted = values.only?.split(",").map((name) => name.trim());
    const unknown = wanted?.filter((name) => !recipes.some((recipe) => recipe.name === name)) ?? [];
    if (unknown.length > 0)
      return `--only: no peer is called ${unknown.map((name) => JSON.stringify(name)).join(", ")}`;
    return {
      help: values.help ?? false,
      json: values.json ?? false,
      chosen: recipes.filter(({ name }) => wanted === undefined || wanted.includes(name)),
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function duration(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

process.exitCode = await main(process.argv.slice(2));
