import { createVirtualClock } from "@almanac/testkit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  eventually,
  startFlakyApi,
  things,
  type Fault,
  type StreamFault,
  type Thing,
} from "./flaky-api.test.support.ts";
import { createInformer } from "./informer.ts";
import { compareResourceVersions, keyOf } from "./objects.ts";

const streamFaults: StreamFault[] = [
  "end",
  "half-open",
  "reset",
  "reset-mid-line",
  "malformed",
  "long-line",
  "error-410",
  "error-500",
  "duplicate",
];

const requestFault: fc.Arbitrary<Fault> = fc.oneof(
  fc.constantFrom<Fault>(
    { type: "reset" },
    { type: "hang" },
    { type: "raw", text: "{" },
    { type: "status", status: 401 },
    { type: "status", status: 410, body: { reason: "Expired" } },
    { type: "status", status: 429, headers: { "retry-after": "2" } },
    { type: "status", status: 500 },
    { type: "status", status: 504 },
  ),
);

const watchFault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 1, arbitrary: requestFault },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("stream" as const),
      how: fc.constantFrom(...streamFaults),
      afterEvents: fc.nat(4),
    }),
  },
);

const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("put" as const), name: fc.nat(5), value: fc.nat(1000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("remove" as const), name: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("put-and-observe" as const), name: fc.nat(5), value: fc.nat(1000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("compact" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("bookmark" as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(20_000) }) },
);

function nextOf(faults: fc.Stream<Fault | null>): Fault | null {
  const next = faults.next();
  return next.done === true ? null : next.value;
}

describe("an informer", () => {
  // Invariants: it ends up equal to the server; per object, an add comes first, then updates, then a delete, then an add again; what a
  // handler is told never goes back to an older version.
  it("equals the server after any faults, and told its handlers a possible history", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(operation, { minLength: 5, maxLength: 25 }),
        fc.infiniteStream(fc.option(requestFault, { freq: 3 })),
        fc.infiniteStream(fc.option(watchFault, { freq: 4 })),
        async (operations, requestFaults, watchFaults) => {
          await using api = await startFlakyApi();
          const clock = createVirtualClock();
          const stop = new AbortController();
          let healed = false;
          api.fault = (request) =>
            healed ? undefined : (nextOf(request.watch ? watchFaults : requestFaults) ?? undefined);
          const resource = api.client({ clock, maxLineBytes: 50_000 }).resource<Thing>(things);
          const informer = createInformer<Thing>(resource, { clock, idleTimeoutMs: 60_000, random: () => 0 });
          const shown = new Map<string, Thing>();
          const broken: string[] = [];
          informer.onEvent((event) => {
            const { object } = event;
            const key = keyOf(object.metadata);
            const before = shown.get(key);
            if ((event.type === "add") !== (before === undefined))
              broken.push(`${event.type} of ${key} after ${before === undefined ? "nothing" : "add"}`);
            const order =
              before === undefined
                ? 1
                : (compareResourceVersions(object.metadata.resourceVersion, before.metadata.resourceVersion) ?? 0);
            if (event.type === "update" ? order <= 0 : order < 0) broken.push(`${event.type} of ${key} goes back`);
            if (event.type === "delete") shown.delete(key);
            else shown.set(key, object);
          });
          informer.start(stop.signal);
          for (const step of operations) {
            switch (step.do) {
              case "put":
              case "put-and-observe": {
                const written = api.put({
                  metadata: { namespace: "lab", name: `t${step.name}` },
                  spec: { value: step.value },
                } as Thing);
                if (step.do === "put-and-observe") informer.observe(written);
                break;
              }
              case "remove":
                api.remove("lab", `t${step.name}`);
                break;
              case "compact":
                api.compact();
                break;
              case "bookmark":
                api.bookmark();
                break;
              case "wait":
                await clock.advance(step.ms);
            }
            await new Promise((resolve) => setImmediate(resolve));
          }
          healed = true;
          const stateOf = (objects: Iterable<{ metadata: { name: string; resourceVersion?: string } }>): string =>
            JSON.stringify([...objects].map(({ metadata }) => [metadata.name, metadata.resourceVersion]).sort());
          const advance = (): Promise<void> => clock.advance(5_000);
          await eventually(
            () => informer.status().synced && stateOf(informer.list()) === stateOf(api.objects()),
            advance,
            "equality with the server",
          );
          expect(stateOf(shown.values())).toBe(stateOf(api.objects()));
          expect(broken).toEqual([]);
          stop.abort();
        },
      ),
      { numRuns: 60, seed: 20_260_101, endOnFailure: true },
    );
  });
});
