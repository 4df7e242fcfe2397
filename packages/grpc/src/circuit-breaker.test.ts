import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createVirtualClock } from "@almanac/testkit";
import { createCircuitBreaker } from "./circuit-breaker.ts";
import type { CircuitBreaker, CircuitBreakerOptions, CircuitState } from "./circuit-breaker.ts";
import { GrpcError } from "./grpc-error.ts";

const always = () => true;

function setUp(options: CircuitBreakerOptions = {}) {
  const clock = createVirtualClock();
  const states: CircuitState[] = [];
  const failures: unknown[] = [];
  const breaker = createCircuitBreaker({
    clock,
    onStateChange: (state) => states.push(state),
    onFailure: (error) => failures.push(error),
    ...options,
  });
  return { clock, states, failures, breaker };
}

async function fail(breaker: CircuitBreaker, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await expect(breaker.run(() => Promise.reject(new Error(`failure ${i}`)), always)).rejects.toThrow("failure");
  }
}

async function succeed(breaker: CircuitBreaker, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await expect(breaker.run(() => Promise.resolve(i), always)).resolves.toBe(i);
}

describe("createCircuitBreaker", () => {
  it("opens after ten failures in a row, half-opens 60 s later, closes after three answers", async () => {
    const { clock, states, failures, breaker } = setUp();
    await fail(breaker, 9);
    await succeed(breaker, 1);
    await fail(breaker, 9);
    expect(breaker.state).toBe("closed");
    await fail(breaker, 1);
    expect(breaker.state).toBe("open");
    await clock.advance(59_999);
    expect(breaker.state).toBe("open");
    await clock.advance(1);
    expect(breaker.state).toBe("half-open");
    await succeed(breaker, 2);
    expect(breaker.state).toBe("half-open");
    await succeed(breaker, 1);
    expect(states).toEqual(["open", "half-open", "closed"]);
    expect(failures).toHaveLength(19);
  });

  it("refuses without calling while open, and does not count that", async () => {
    const { breaker, failures } = setUp({ failureThreshold: 1 });
    await fail(breaker, 1);
    let called = false;
    const refused = breaker.run(() => Promise.resolve((called = true)), always);
    await expect(refused).rejects.toMatchObject({ code: "circuit_open", grpcCode: undefined });
    await expect(refused).rejects.toBeInstanceOf(GrpcError);
    expect(called).toBe(false);
    expect(failures).toHaveLength(1);
  });

  it("opens again at the first failure while half-open, for the whole time", async () => {
    const { clock, breaker } = setUp({ failureThreshold: 1 });
    await fail(breaker, 1);
    await clock.advance(60_000);
    await succeed(breaker, 2);
    await fail(breaker, 1);
    expect(breaker.state).toBe("open");
    await clock.advance(59_999);
    expect(breaker.state).toBe("open");
  });

  it("lets no more than three calls through at once while half-open", async () => {
    const { clock, breaker } = setUp({ failureThreshold: 1 });
    await fail(breaker, 1);
    await clock.advance(60_000);
    const held = Promise.withResolvers<void>();
    const trials = [1, 2, 3].map(() => breaker.run(() => held.promise, always));
    await expect(breaker.run(() => Promise.resolve(), always)).rejects.toMatchObject({ code: "circuit_open" });
    held.resolve();
    await Promise.all(trials);
    expect(breaker.state).toBe("closed");
  });

  it("takes an error that is no failure for an answer, and one that says nothing for nothing", async () => {
    const { clock, breaker } = setUp({ failureThreshold: 2 });
    const notFound = () =>
      breaker.run(
        () => Promise.reject(new Error("not found")),
        () => false,
      );
    const gaveUp = () =>
      breaker.run(
        () => Promise.reject(new Error("gave up")),
        () => undefined,
      );
    await fail(breaker, 1);
    await expect(notFound()).rejects.toThrow("not found");
    await fail(breaker, 1);
    expect(breaker.state).toBe("closed");
    await expect(gaveUp()).rejects.toThrow("gave up");
    await fail(breaker, 1);
    expect(breaker.state).toBe("open");
    await clock.advance(60_000);
    for (let i = 0; i < 10; i++) await expect(gaveUp()).rejects.toThrow("gave up");
    expect(breaker.state).toBe("half-open");
    for (let i = 0; i < 3; i++) await expect(notFound()).rejects.toThrow("not found");
    expect(breaker.state).toBe("closed");
  });

  it("passes over calls that began before the circuit changed", async () => {
    const { clock, breaker, failures } = setUp({ failureThreshold: 1 });
    const held = Promise.withResolvers<void>();
    const late = [1, 2, 3, 4].map(() => breaker.run(() => held.promise, always));
    await fail(breaker, 1);
    await clock.advance(60_000);
    held.reject(new Error("failed long ago"));
    await Promise.allSettled(late);
    expect(breaker.state).toBe("half-open");
    expect(failures).toHaveLength(1);
  });

  it("survives hooks that throw", async () => {
    const broken = () => {
      throw new Error("hook");
    };
    const { breaker } = setUp({ failureThreshold: 1, onFailure: broken, onStateChange: broken });
    await expect(breaker.run(() => Promise.reject(new Error("call")), broken)).rejects.toThrow("call");
    expect(breaker.state).toBe("open");
  });

  it("leaves no timer behind when disposed", async () => {
    const { clock, breaker } = setUp({ failureThreshold: 1 });
    await fail(breaker, 1);
    expect(clock.pending).toBe(1);
    breaker[Symbol.dispose]();
    expect(clock.pending).toBe(0);
  });

  it.each([{ failureThreshold: 0 }, { openMs: -1 }, { halfOpenCalls: 1.5 }])("refuses %o", (options) => {
    expect(() => createCircuitBreaker(options)).toThrow("[invalid_options]");
  });
});

/*
 * Invariants against a model that only knows the rules: same state after every step, same calls admitted, one failure counted where
 * the model counts one, never more trials under way than allowed.
 */
const step = fc.oneof(
  { weight: 5, arbitrary: fc.constant({ kind: "start" } as const) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      which: fc.nat(20),
      how: fc.constantFrom("answer", "failure", "neutral"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 150 }) }) },
);

describe("createCircuitBreaker against a model", () => {
  it("agrees on every sequence of calls, ends and waits", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { maxLength: 60 }),
        async (failureThreshold, halfOpenCalls, steps) => {
          const openMs = 100;
          const { clock, breaker, failures } = setUp({ failureThreshold, halfOpenCalls, openMs });
          const model = {
            state: "closed" as CircuitState,
            run: 0,
            good: 0,
            busy: 0,
            since: 0,
            now: 0,
            counted: 0,
            era: 0,
          };
          const enter = (state: CircuitState) =>
            Object.assign(model, { state, run: 0, good: 0, busy: 0, since: model.now, era: model.era + 1 });
          const open: { era: number; end: (how: string) => void; done: Promise<unknown> }[] = [];

          for (const action of steps) {
            if (action.kind === "wait") {
              if (model.state === "open" && model.now + action.ms >= model.since + openMs) {
                enter("half-open");
              }
              model.now += action.ms;
              await clock.advance(action.ms);
            } else if (action.kind === "start") {
              const admitted =
                model.state === "closed" || (model.state === "half-open" && model.good + model.busy < halfOpenCalls);
              let called = false;
              const held = Promise.withResolvers<void>();
              const done = breaker
                .run(
                  () => {
                    called = true;
                    return held.promise;
                  },
                  (error) => (error === "failure" ? true : undefined),
                )
                .catch(() => undefined);
              expect(called).toBe(admitted);
              if (!admitted) continue;
              model.busy++;
              open.push({ era: model.era, done, end: (how) => (how === "answer" ? held.resolve() : held.reject(how)) });
            } else {
              const call = open.splice(action.which % Math.max(open.length, 1), 1)[0];
              if (call === undefined) continue;
              call.end(action.how);
              await call.done;
              if (call.era === model.era) {
                model.busy--;
                if (action.how === "failure") {
                  model.counted++;
                  model.run++;
                  if (model.state === "half-open" || model.run >= failureThreshold) enter("open");
                } else if (action.how === "answer") {
                  model.run = 0;
                  model.good++;
                  if (model.state === "half-open" && model.good === halfOpenCalls) enter("closed");
                }
              }
            }
            expect(breaker.state).toBe(model.state);
            expect(failures).toHaveLength(model.counted);
          }
          breaker[Symbol.dispose]();
        },
      ),
      { numRuns: 300 },
    );
  });
});
