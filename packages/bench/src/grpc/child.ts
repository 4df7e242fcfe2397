/** One end of the calls, in a process of its own: `child.ts MODE server` or `child.ts MODE client PORT`. Talks to its parent in messages. */
import { echo } from "./echo.ts";
import { setUp, type Mode, type Observed } from "./modes.ts";

/** What a process tells when it is asked. */
export interface Report extends Observed {
  /** User and system time of the process since it began. */
  readonly cpuUs: number;
}

const [mode, side, port] = process.argv.slice(2) as [Mode, "server" | "client", string | undefined];
const inFlight = 32;
const message = Buffer.alloc(100, "x");
const setup = await setUp(mode, side);
const { grpc, interceptors, serverInterceptors } = setup;

const answer = (value: unknown): void => void process.send?.(value);
const report = async (): Promise<Report> => {
  const { user, system } = process.cpuUsage();
  return { cpuUs: user + system, ...(await setup.observed()) };
};

if (side === "server") {
  const server = new grpc.Server({ interceptors: [...serverInterceptors] });
  server.addService(echo, {
    Echo: (call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) => callback(null, call.request),
  });
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
    if (error !== null) throw error;
    answer(bound);
  });
  process.on("message", () => void report().then(answer));
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
  process.on("message", (calls: number) => {
    let left = calls;
    const work = async (): Promise<void> => {
      while (left-- > 0) await call();
    };
    void Promise.all(Array.from({ length: inFlight }, work))
      .then(report)
      .then(answer);
  });
  answer("ready");
}
process.on("disconnect", () => process.exit());
