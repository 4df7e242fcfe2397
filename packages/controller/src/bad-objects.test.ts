import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInformer, createKubeClient } from "@almanac/kube";
import type { KubeObject } from "@almanac/kube";
import { TracerProvider } from "@opentelemetry/sdk-trace";
import { describe, expect, it } from "vitest";
import { createController } from "./controller.ts";
import { done, terminal } from "./result.ts";
import { runControllers } from "./run-controllers.ts";

const bad = 10_000;
const good = 20;

/** An API with ten thousand objects that nobody can reconcile and a few good ones; `change` touches a good one. */
async function startApi() {
  const name = (index: number): string => (index < bad ? `bad-${index}` : `good-${index - bad}`);
  const items = Array.from({ length: bad + good }, (_, index) => ({
    metadata: { namespace: "default", name: name(index), uid: `uid-${index}`, resourceVersion: "1" },
  }));
  let write: (line: string) => void = () => {};
  const server = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    if (request.url?.includes("watch=true") === true) {
      write = (line) => void response.write(line);
      response.flushHeaders();
    } else response.end(JSON.stringify({ metadata: { resourceVersion: "1" }, items }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  let version = 1;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    change(index: number) {
      const object = structuredClone(items[bad + index]);
      if (object === undefined) throw new Error("no such object");
      object.metadata.resourceVersion = String((version += 1));
      write(`${JSON.stringify({ type: "MODIFIED", object })}\n`);
    },
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

describe("a controller with ten thousand bad objects", () => {
  it("still brings the good ones to their state, and a change of one past all that wait", async () => {
    await using api = await startApi();
    using client = createKubeClient({ server: api.url });
    const definition = { group: "", version: "v1", plural: "things", kind: "Thing", namespaced: true };
    const informer = createInformer<KubeObject>(client.resource(definition));
    const concurrency = 4;
    const served = new Set<string>();
    const begun: string[] = [];
    let failures = 0;
    let noticed: number | undefined;
    informer.onEvent(({ type }) => {
      if (type === "update") noticed = begun.length;
    });
    const controller = createController({
      name: "thing",
      informer,
      concurrency,
      // Whoever fails waits again at once: the queue never gets shorter.
      backoff: { baseMs: 1, maxMs: 1 },
      telemetry: { tracerProvider: new TracerProvider() },
      reconcile({ name }) {
        begun.push(name);
        if (name.startsWith("good")) {
          served.add(name);
          return Promise.resolve(done());
        }
        failures += 1;
        const index = Number(name.slice(4));
        if (index % 3 === 0) throw new Error("broken at once");
        // As reconciles do, it waits for something outside of the process.
        if (index % 3 === 1)
          return new Promise((_, reject) => setImmediate(() => reject(new TypeError("broken later"))));
        return Promise.resolve(terminal(new Error("refused")));
      },
    });
    const stop = new AbortController();
    const running = runControllers({ controllers: [controller], signal: stop.signal });
    const until = async (condition: () => boolean): Promise<void> => {
      const deadline = performance.now() + 30_000;
      while (!condition()) {
        if (performance.now() > deadline) throw new Error("the condition did not come true within 30 s");
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    // Each has been tried, and thousands wait for another try.
    await until(() => failures > bad && controller.depth > bad / 2);
    api.change(0);
    await until(() => noticed !== undefined && begun.includes("good-0", noticed));
    // Before it come those that have a worker already, and one of those that wait since long.
    expect(begun.indexOf("good-0", noticed) - noticed!).toBeLessThanOrEqual(concurrency + 1);
    await until(() => served.size === good);
    expect(controller.health()).toBe(true);
    stop.abort();
    await running;
  });
});
