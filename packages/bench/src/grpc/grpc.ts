import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { median } from "../result.ts";
import type { BenchResult, Progress } from "../result.ts";
import type { CpuUs, Order } from "./child.ts";
import type { Mode, Observed } from "./modes.ts";

const rounds = 5;
const warmUpCalls = 15_000;
const slices = 80;
const callsPerSlice = 400;

const modes: readonly Mode[] = ["none", "empty", "ours", "oursOnOfficialTracer", "official"];

/** CPU time per call, slice by slice. */
interface Cost {
  readonly clientUs: number[];
  readonly serverUs: number[];
}

const file = fileURLToPath(new URL("./child.ts", import.meta.url));

/** Unary calls over loopback, client and server in processes of their own, observed by nobody, by this repository and by the official instrumentation. */
export async function benchGrpc(progress: Progress): Promise<BenchResult> {
  const costs = new Map<Mode, Cost[]>(modes.map((mode) => [mode, []]));
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1} of ${rounds}`);
    for (const [mode, cost] of await measure()) costs.get(mode)?.push(cost);
  }
  const shares = (mode: Mode, over: Mode): number[] =>
    (costs.get(mode) ?? []).map((cost, round) => {
      const [base, none, official] = [over, "none" as const, "official" as const].map(
        (each) => costs.get(each)?.[round],
      );
      return base && none && official ? added(cost, base) / added(official, none) : Number.NaN;
    });
  return {
    name: "grpc",
    title: "Observing gRPC calls",
    rows: [
      {
        what: "CPU added to a call, against the official instrumentation's, ×",
        rounds: shares("ours", "none"),
        must: { atMost: 0.5 },
      },
      {
        what: "CPU added to a call with empty interceptors, against the official instrumentation's, ×",
        rounds: shares("ours", "empty"),
        moonshot: { atMost: 0.25 },
        limit:
          "the span takes two fifths of what is left, copying metadata and writing and reading the trace context a quarter, the measurement a fifth; no single function among them takes a tenth",
      },
      {
        what: "CPU added to a call by our interceptors on the official SDK's tracer, against the official instrumentation's, ×",
        rounds: shares("oursOnOfficialTracer", "none"),
      },
      ...modes.flatMap((mode) => [
        {
          what: `${mode}, µs of CPU per call, client`,
          rounds: (costs.get(mode) ?? []).map(({ clientUs }) => median(clientUs)),
        },
        {
          what: `${mode}, µs of CPU per call, server`,
          rounds: (costs.get(mode) ?? []).map(({ serverUs }) => median(serverUs)),
        },
      ]),
    ],
    notes: [
      "gRPC: unary calls of 100 bytes over loopback, 32 at a time, client and server in processes of their own, fresh ones in every round, which take turns every 400 calls; user and system time of the whole process, from the 15,000th call on; what observing adds is the median of what it adds from turn to turn. All processes load the same code, so that their heaps are alike. All spans are sampled and batched, and an exporter counts them; our interceptors measure durations with exemplars besides, the official instrumentation has no metrics. Spans are those of `createTracerProvider` with our interceptors and of the official SDK with the official instrumentation; one row says what our interceptors cost on the latter.",
    ],
  };
}

/** What observing adds on both sides, the median over slices that followed one another. */
function added(mode: Cost, over: Cost): number {
  const both = ({ clientUs, serverUs }: Cost): number[] => clientUs.map((us, slice) => us + (serverUs[slice] ?? NaN));
  const base = both(over);
  return median(both(mode).map((us, slice) => us - (base[slice] ?? NaN)));
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
  const costs = new Map<Mode, Cost>(modes.map((mode) => [mode, { clientUs: [], serverUs: [] }]));
  for (let slice = 0; slice < slices; slice++) {
    // To and fro, so that nobody always comes after the same one.
    for (const [mode, { client, server }] of slice % 2 === 0 ? ends : [...ends].reverse()) {
      const [clientBefore, serverBefore] = [await client.tell<CpuUs>("cpu"), await server.tell<CpuUs>("cpu")];
      const clientAfter = await client.tell<CpuUs>({ calls: callsPerSlice });
      const serverAfter = await server.tell<CpuUs>("cpu");
      costs.get(mode)?.clientUs.push((clientAfter - clientBefore) / callsPerSlice);
      costs.get(mode)?.serverUs.push((serverAfter - serverBefore) / callsPerSlice);
    }
  }
  for (const [mode, { client, server }] of ends) {
    check(mode, "client", await client.tell("observed"));
    check(mode, "server", await server.tell("observed"));
  }
  return costs;
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
  const isOurs = mode === "ours" || mode === "oursOnOfficialTracer";
  const hasSpans = isOurs || mode === "official";
  if (spans !== (hasSpans ? all : undefined) || measurements !== (isOurs ? all : undefined)) {
    throw new Error(`${mode} observed ${spans} spans and ${measurements} measurements of ${all} calls, ${side}`);
  }
}
