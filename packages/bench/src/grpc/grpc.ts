import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { BenchResult, Progress } from "../result.ts";
import type { Report } from "./child.ts";
import type { Mode } from "./modes.ts";

const rounds = 2;
const warmUpCalls = 4_000;
const calls = 8_000;

/** In this order in every round, so that noise of the machine meets all alike. */
const modes: readonly Mode[] = ["none", "empty", "ours", "official"];

/** CPU time per call. */
interface Cost {
  readonly clientUs: number;
  readonly serverUs: number;
}

const child = fileURLToPath(new URL("./child.ts", import.meta.url));

/** Unary calls over loopback, client and server in processes of their own, observed by nobody, by this repository and by the official instrumentation. */
export async function benchGrpc(progress: Progress): Promise<BenchResult> {
  const costs = new Map<Mode, Cost[]>(modes.map((mode) => [mode, []]));
  for (let round = 0; round < rounds; round++) {
    for (const mode of modes) {
      progress(`round ${round + 1} of ${rounds}, calls with ${mode}`);
      costs.get(mode)?.push(await measure(mode));
    }
  }
  const both = (mode: Mode): number[] => (costs.get(mode) ?? []).map(({ clientUs, serverUs }) => clientUs + serverUs);
  const added = (mode: Mode, over: Mode): number[] =>
    both(mode).map((cost, round) => cost - (both(over)[round] ?? Number.NaN));
  const share = (part: readonly number[], whole: readonly number[]): number[] =>
    part.map((cost, round) => cost / (whole[round] ?? Number.NaN));
  const official = added("official", "none");
  return {
    name: "grpc",
    title: "Observing gRPC calls",
    rows: [
      {
        what: "CPU added to a call, against the official instrumentation's, ×",
        rounds: share(added("ours", "none"), official),
        must: { atMost: 0.5 },
      },
      {
        what: "CPU added to a call with empty interceptors, against the official instrumentation's, ×",
        rounds: share(added("ours", "empty"), official),
        moonshot: { atMost: 0.25 },
      },
      ...modes.flatMap((mode) => [
        {
          what: `${mode}, µs of CPU per call, client`,
          rounds: (costs.get(mode) ?? []).map(({ clientUs }) => clientUs),
        },
        {
          what: `${mode}, µs of CPU per call, server`,
          rounds: (costs.get(mode) ?? []).map(({ serverUs }) => serverUs),
        },
      ]),
    ],
    notes: [
      "gRPC: unary calls of 100 bytes over loopback, 32 at a time, client and server in processes of their own, each with fresh processes in every round; user and system time of the whole process. All spans are sampled and batched, and an exporter counts them; our interceptors measure durations with exemplars besides, the official instrumentation has no metrics.",
    ],
  };
}

async function measure(mode: Mode): Promise<Cost> {
  const server = start(mode, "server");
  try {
    const port = await answerOf<number>(server);
    const client = start(mode, "client", String(port));
    try {
      await answerOf(client);
      const ask = async (): Promise<{ readonly client: Report; readonly server: Report }> => {
        const report = await answerOf<Report>(client);
        server.send("report");
        return { client: report, server: await answerOf<Report>(server) };
      };
      client.send(warmUpCalls);
      const before = await ask();
      client.send(calls);
      const after = await ask();
      for (const side of ["client", "server"] as const) check(mode, side, after[side]);
      return {
        clientUs: (after.client.cpuUs - before.client.cpuUs) / calls,
        serverUs: (after.server.cpuUs - before.server.cpuUs) / calls,
      };
    } finally {
      client.kill();
    }
  } finally {
    server.kill();
  }
}

function start(mode: Mode, ...rest: string[]): ChildProcess {
  return fork(child, [mode, ...rest], { execArgv: ["-C", "source"] });
}

async function answerOf<T>(process: ChildProcess): Promise<T> {
  const ended = once(process, "exit").then(([code]) => {
    throw new Error(`a process of the calls ended with ${code}`);
  });
  const [answer] = (await Promise.race([once(process, "message"), ended])) as [T];
  return answer;
}

function check(mode: Mode, side: string, { spans, measurements }: Report): void {
  const all = warmUpCalls + calls;
  const observes = mode === "ours" || mode === "official";
  if (spans !== (observes ? all : undefined) || measurements !== (mode === "ours" ? all : undefined)) {
    throw new Error(`${mode} observed ${spans} spans and ${measurements} measurements of ${all} calls, ${side}`);
  }
}
