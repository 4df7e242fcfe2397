import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from "@opentelemetry/api";
import { SamplingDecision } from "@opentelemetry/sdk-trace";
import { describe, expect, it } from "vitest";
import { useContextManager } from "./context.ts";
import { createPropagator, createSampler } from "./tracing.ts";

const low = "00000000000000000000000000000001";
// The SDK folds an id by exclusive or, so that equal halves would cancel out.
const high = "ffffffff000000000000000000000000";

describe("createSampler", () => {
  it.each([
    ["always_on", 1, high, undefined, true],
    ["always_off", 1, low, 1, false],
    ["traceidratio", 0.5, low, undefined, true],
    ["traceidratio", 0.5, high, 1, false],
    ["traceidratio", 0, low, undefined, false],
    ["parentbased_always_on", 1, high, undefined, true],
    ["parentbased_always_on", 1, high, 0, false],
    ["parentbased_always_off", 1, low, undefined, false],
    ["parentbased_always_off", 1, low, 1, true],
    ["parentbased_traceidratio", 0.5, high, undefined, false],
    ["parentbased_traceidratio", 0.5, high, 1, true],
  ] as const)("%s %d decides on %s under a parent with flags %s: %s", (name, ratio, traceId, parentFlags, sampled) => {
    const parent =
      parentFlags === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, {
            traceId,
            spanId: "1".repeat(16),
            traceFlags: parentFlags,
            isRemote: true,
          });
    const { decision } = createSampler({ name, ratio }).shouldSample(
      parent,
      traceId,
      "span",
      SpanKind.INTERNAL,
      {},
      [],
    );
    expect(decision === SamplingDecision.RECORD_AND_SAMPLED).toBe(sampled);
  });
});

describe("createPropagator", () => {
  const active = propagation.setBaggage(
    trace.setSpanContext(ROOT_CONTEXT, { traceId: low, spanId: "1".repeat(16), traceFlags: 1 }),
    propagation.createBaggage({ tenant: { value: "one" } }),
  );

  it.each([
    [["tracecontext", "baggage"], { traceparent: `00-${low}-1111111111111111-01`, baggage: "tenant=one" }],
    [["tracecontext"], { traceparent: `00-${low}-1111111111111111-01` }],
    [[], {}],
  ] as const)("%j injects %j", (names, expected) => {
    const carrier = {};
    createPropagator(names).inject(active, carrier, {
      set: (target: Record<string, string>, key, value) => void (target[key] = value),
    });
    expect(carrier).toEqual(expected);
  });
});

describe("useContextManager", () => {
  it("is registered once for all users and gone after the last", () => {
    const key = Symbol("key");
    const follows = () => context.with(ROOT_CONTEXT.setValue(key, 1), () => context.active().getValue(key) === 1);
    expect(follows()).toBe(false);
    const first = useContextManager();
    const second = useContextManager();
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(follows()).toBe(true);
    second[Symbol.dispose]();
    expect(follows()).toBe(false);
    const third = useContextManager();
    expect(follows()).toBe(true);
    third[Symbol.dispose]();
  });

  it("leaves somebody else's alone", () => {
    const others = {
      active: () => ROOT_CONTEXT,
      with: () => undefined as never,
      bind: <T>(_context: unknown, target: T) => target,
      enable: () => others,
      disable: () => others,
    };
    expect(context.setGlobalContextManager(others)).toBe(true);
    useContextManager()[Symbol.dispose]();
    expect(context.setGlobalContextManager(others)).toBe(false);
    context.disable();
  });
});
