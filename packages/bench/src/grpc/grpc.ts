import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { BenchResult, Progress } from "../result.ts";
import type { CpuUs, Order } from "./child.ts";
import type { Mode, Observed } from "./modes.ts";

const rounds = 5;
const warmUpCalls = 8_000;
const slices = 40;
const callsPerSlice = 400;

const modes: readonly Mode[] = ["none", "empty", "ours", "official"];

/** CPU time per call. */
interface Cost {
  readonly clientUs: number;
  readonly serverUs: number;
}

const file = fileURLToPath(new URL("./child.ts", import.meta.url));

/** Unary calls over loopback, client and server in processes of their own, observed by nobody, by this repository and by the official instrumentation. */
export async function benchGrpc(progress: Progress): Promise<BenchResult> {
  const costs = new Map<Mode, Cost[]>(modes.map((mode) => [mode, []]));
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1} of ${rounds}`);
    for (const [mode, cost] of await measure()) costs.get(mode)?.push(cost);
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
      "gRPC: unary calls of 100 bytes over loopback, 32 at a time, client and server in processes of their own, fresh ones in every round, which take turns every 400 calls; user and system time of the whole process after 8,000 calls. All spans are sampled and batched, and an exporter counts them; our interceptors measure durations with exemplars besides, the official instrumentation has no metrics.",
    ],
  };
}

/** One end of the calls of one mode. */
interface End {
  tell<T>(order: Order): Promise<T>;
}

/**
 * All modes at once, in processes that take turns: each makes a few calls, then the next one, so that whatever else the machine does meets
 * all alike.
 */
async function measure(): Promise<Map<Mode, Cost>> {
  await using processes = new AsyncDisposableStack();
  const ends = new Map<Mode, { readonly client: End; readonly server: End }>();
  for (const mode of modes) {
    const server = start(processes, mode, "server");
    const client = start(processes, mode, "client", String(await server.ready));
    await client.ready;
    ends.set(mode, { client, server });
  }
  for (const { client } of ends.values()) await client.tell({ calls: warmUpCalls });
  const used = new Map(modes.map((mode) => [mode, { clientUs: 0, serverUs: 0 }]));
  for (let slice = 0; slice < slices; slice++) {
    for (const [mode, { client, server }] of ends) {
      const cost = used.get(mode) ?? { clientUs: 0, serverUs: 0 };
      const [clientBefore, serverBefore] = [await client.tell<CpuUs>("cpu"), await server.tell<CpuUs>("cpu")];
      cost.clientUs += (await client.tell<CpuUs>({ calls: callsPerSlice })) - clientBefore;
      cost.serverUs += (await server.tell<CpuUs>("cpu")) - serverBefore;
    }
  }
  for (const [mode, { client, server }] of ends) {
    check(mode, "client", await client.tell("observed"));
    check(mode, "server", await server.tell("observed"));
  }
  const calls = slices * callsPerSlice;
  return new Map(
    [...used].map(([mode, { clientUs, serverUs }]) => [
      mode,
      { clientUs: clientUs / calls, serverUs: serverUs / calls },
    ]),
  );
}

function start(
  processes: AsyncDisposableStack,
  mode: Mode,
  ...rest: string[]
): End & { readonly ready: Promise<unknown> } {
  const child = fork(file, [mode, ...rest], { execArgv: ["-C", "source"] });
  const exited = once(child, "exit");
  processes.defer(async () => {
    child.kill();
    await exited;
  });
  const early = exited.then(([code]) => Promise.reject(new Error(`a process of the calls ended with ${code}`)));
  early.catch(() => undefined);
  const answer = async (): Promise<unknown> => ((await Promise.race([once(child, "message"), early])) as [unknown])[0];
  return {
    ready: answer(),
    tell: async <T>(order: Order) => {
      const answered = answer();
      child.send(order);
      return (await answered) as T;
    },
  };
}

function check(mode: Mode, side: string, { spans, measurements }: Observed): void {
  const all = warmUpCalls + slices * callsPerSlice;
  const observes = mode === "ours" || mode === "official";
  if (spans !== (observes ? all : undefined) || measurements !== (mode === "ours" ? all : undefined)) {
    throw new Error(`${mode} observed ${spans} spans and ${measurements} measurements of ${all} calls, ${side}`);
  }
}
