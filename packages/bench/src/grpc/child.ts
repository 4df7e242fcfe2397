/** One end of the calls, in a process of its own: `child.ts MODE server` or `child.ts MODE client PORT`. Talks to its parent in messages. */
import { echo } from "./echo.ts";
import { setUp, type Mode, type Observed } from "./modes.ts";

/** User and system time of this process since it began, in microseconds. */
export type CpuUs = number;

/** What a process is told: to make so many calls, the client only; to tell its CPU time; to tell what it has observed. */
export type Order = { readonly calls: number } | "cpu" | "observed";

const [mode, side, port] = process.argv.slice(2) as [Mode, "server" | "client", string | undefined];
const inFlight = 32;
const message = Buffer.alloc(100, "x");
const setup = await setUp(mode, side);
const { grpc, interceptors, serverInterceptors } = setup;

const answer = (value: unknown): void => void process.send?.(value);
let makeCalls = (_calls: number): Promise<unknown> => Promise.reject(new Error("a server makes no calls"));
const obey = async (order: Order): Promise<CpuUs | Observed> => {
  if (order === "observed") return setup.observed();
  if (order !== "cpu") await makeCalls(order.calls);
  const { user, system } = process.cpuUsage();
  return user + system;
};
process.on("message", (order: Order) => void obey(order).then(answer));
process.on("disconnect", () => process.exit());

if (side === "server") {
  const server = new grpc.Server({ interceptors: [...serverInterceptors] });
  server.addService(echo, {
    Echo: (call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) => callback(null, call.request),
  });
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
    if (error !== null) throw error;
    answer(bound);
  });
} else {
  const EchoClient = grpc.makeGenericClientConstructor(echo, "Echo");
  const client = new EchoClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    interceptors: [...interceptors],
  });
  const call = (): Promise<void> =>
    new Promise((resolve, reject) => {
      client["Echo"]?.(message, (error: Error | null, answer?: Buffer) => {
        if (error !== null) reject(error);
        else if (answer?.byteLength !== message.byteLength) reject(new Error("the answer is another one"));
        else resolve();
      });
    });
  makeCalls = (calls) => {
    let left = calls;
    const work = async (): Promise<void> => {
      while (left-- > 0) await call();
    };
    return Promise.all(Array.from({ length: inFlight }, work));
  };
  answer("ready");
}
