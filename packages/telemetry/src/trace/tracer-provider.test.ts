import {
  context,
  diag,
  INVALID_SPAN_CONTEXT,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from "@opentelemetry/api";
import type {
  Attributes,
  AttributeValue,
  Context,
  Exception,
  HrTime,
  Link,
  Span,
  SpanContext,
  TimeInput,
  TracerProvider,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { suppressTracing } from "@opentelemetry/core";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  InMemorySpanExporter,
  SamplingDecision,
  SimpleSpanProcessor,
  TracerProvider as OfficialTracerProvider,
} from "@opentelemetry/sdk-trace";
import type { IdGenerator, ReadableSpan, Sampler, SpanLimits, SpanProcessor } from "@opentelemetry/sdk-trace";
import fc from "fast-check";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { createTracerProvider } from "./tracer-provider.ts";
import type { TracerProviderOptions } from "./tracer-provider.ts";

const full = process.env["ALMANAC_FULL"] === "1";
const remote: SpanContext = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  traceFlags: TraceFlags.SAMPLED,
  isRemote: true,
};

afterEach(() => {
  vi.useRealTimers();
  diag.disable();
});

describe("createTracerProvider", () => {
  it("makes the spans that the official SDK makes, whatever is done to them", () => {
    fc.assert(
      fc.property(programs, (program) => {
        expect(run(program, createTracerProvider)).toEqual(
          run(program, (options) => new OfficialTracerProvider(options)),
        );
      }),
      { seed: 20_261, numRuns: full ? 20_000 : 600 },
    );
  }, 120_000);

  it("tells processors of each span's start, ending and end, in order, and waits for them", async () => {
    const told: string[] = [];
    const processor = (name: string): SpanProcessor => ({
      onStart: (span, parent) => told.push(`${name} starts ${span.name} in ${trace.getSpanContext(parent)?.spanId}`),
      onEnding: (span) => {
        span.setAttribute("late", name);
        told.push(`${name} is ending ${span.ended}`);
      },
      onEnd: (span) => told.push(`${name} ended ${JSON.stringify(span.attributes)} ${span.ended}`),
      forceFlush: () => Promise.resolve(void told.push(`${name} flushed`)),
      shutdown: () => Promise.resolve(void told.push(`${name} shut down`)),
    });
    const provider = createTracerProvider({ spanProcessors: [processor("one"), processor("two")] });
    provider.getTracer("test").startSpan("work", {}, trace.setSpanContext(ROOT_CONTEXT, remote)).end();
    await provider.forceFlush();
    await provider.shutdown();
    await provider.shutdown();
    expect(told).toEqual([
      "one starts work in b7ad6b7169203331",
      "two starts work in b7ad6b7169203331",
      "one is ending false",
      "two is ending false",
      'one ended {"late":"two"} true',
      'two ended {"late":"two"} true',
      "one flushed",
      "two flushed",
      "one shut down",
      "two shut down",
    ]);
  });

  it("says what processors fail with, and asks the others all the same", async () => {
    let asked = 0;
    const processor = (run: () => Promise<void>): SpanProcessor => ({
      onStart() {},
      onEnd() {},
      forceFlush: run,
      shutdown: run,
    });
    const failing = processor(() => Promise.reject(new Error("the disk is full")));
    const working = processor(() => Promise.resolve(void asked++));
    const provider = createTracerProvider({ spanProcessors: [failing, working] });
    await expect(provider.forceFlush()).rejects.toThrow("the disk is full");
    await expect(provider.shutdown()).rejects.toThrow(AggregateError);
    expect(asked).toBe(2);
  });

  it.each([
    [
      { attributeCountLimit: -1 },
      "spanLimits.attributeCountLimit must be a whole number from 0 on, or Infinity, got -1",
    ],
    [{ eventCountLimit: 1.5 }, "spanLimits.eventCountLimit must be a whole number from 0 on, or Infinity, got 1.5"],
    [
      { attributeValueLengthLimit: 0 },
      "spanLimits.attributeValueLengthLimit must be a whole number from 1 on, or Infinity, got 0",
    ],
    [
      { linkCountLimit: Number.NaN },
      "spanLimits.linkCountLimit must be a whole number from 0 on, or Infinity, got NaN",
    ],
  ])("refuses %j", (spanLimits, message) => {
    expect(() => createTracerProvider({ spanLimits })).toThrow(message);
  });

  it.each([
    [null, "options must be an object, got null"],
    [{ sampler: {} }, "sampler must have shouldSample(); the given object lacks shouldSample"],
    [
      { idGenerator: { generateSpanId() {} } },
      "idGenerator must have generateTraceId(), generateSpanId(); the given object lacks generateTraceId",
    ],
    [{ resource: 5 }, "resource must be one of @opentelemetry/resources, got number"],
    [{ spanProcessors: "x" }, "spanProcessors must be a list, got string"],
    [
      { spanProcessors: [undefined] },
      "spanProcessors[0] must have onStart(), onEnd(), forceFlush(), shutdown(); null lacks onStart, onEnd, forceFlush, shutdown",
    ],
    [
      { spanLimits: { attributeCount: 5 } },
      "spanLimits.attributeCount is no limit; there are attributeCountLimit, attributeValueLengthLimit",
    ],
  ])("refuses options that are none: %j", (options, message) => {
    expect(() => createTracerProvider(options as unknown as TracerProviderOptions)).toThrow(message);
  });

  it("makes spans that exporters may wrap and processors may add to", () => {
    const wrapped: ReadableSpan[] = [];
    const span = createTracerProvider({
      spanProcessors: [
        {
          ...collectInto([]),
          onEnd(ended) {
            ended.events.push({ name: "by a processor", time: [1, 2] });
            wrapped.push(
              Object.create(ended, { attributes: { value: { secret: "(redacted)" } } }) as ReadableSpan,
              new Proxy(ended, {}),
            );
          },
        },
      ],
    })
      .getTracer("test")
      .startSpan("work", { attributes: { secret: "s3cr3t" }, startTime: [1, 0], links: null as unknown as Link[] });
    span.setAttributes(null as unknown as Attributes).setAttribute("n", 1);
    createTracerProvider()
      .getTracer("test")
      .startSpan("work", { attributes: null as unknown as Attributes });
    span.end([3, 5]);
    const [inherited, proxy] = wrapped.map(show);
    expect(inherited).toMatchObject({ attributes: [["secret", "(redacted)"]], duration: [2, 5], ended: true });
    expect(inherited).toMatchObject({ events: [{ name: "by a processor" }], spanContext: span.spanContext() });
    expect(proxy).toMatchObject({
      attributes: [
        ["secret", "s3cr3t"],
        ["n", 1],
      ],
    });
    expect(proxy).toMatchObject({
      startTime: [1, 0],
      endTime: [3, 5],
      links: [],
      instrumentationScope: { name: "test" },
    });
  });

  it("takes no attribute that would change what an object is", () => {
    const attributes = JSON.parse('{"a":1,"__proto__":"x"}') as Attributes;
    const span = createTracerProvider().getTracer("test").startSpan("work", { attributes });
    span.setAttribute("__proto__", "y");
    expect(Object.entries((span as unknown as ReadableSpan).attributes)).toEqual([["a", 1]]);
  });

  it("warns of tracers without a name, of changes after the end and of a second end", () => {
    const said: string[] = [];
    const note = (text: string): void => void said.push(text);
    diag.setLogger({ error: note, warn: note, info() {}, debug() {}, verbose() {} }, { suppressOverrideMessage: true });
    const span = createTracerProvider({ spanLimits: { attributeCountLimit: 1 } })
      .getTracer("")
      .startSpan("work");
    span.setAttributes({ a: 1, b: 2, c: 3 });
    span.end();
    span.setAttribute("late", 1).addEvent("late").updateName("late");
    span.end();
    const { traceId, spanId } = span.spanContext();
    const work = `span work (${traceId}-${spanId})`;
    expect(said.filter((text) => !text.includes("@opentelemetry/api"))).toEqual([
      "getTracer was called without a name; give the instrumenting library's",
      `${work} has no room for more attributes, the limit is reached`,
      `${work} has ended and takes no more changes`,
      `${work} has ended and takes no more changes`,
      `${work} has ended and takes no more changes`,
      `${work} was ended twice`,
    ]);
  });

  it("keeps a child within its parent to the microsecond, and follows a wall clock that is set", () => {
    const ended: ReadableSpan[] = [];
    const tracer = createTracerProvider({ spanProcessors: [collectInto(ended)] }).getTracer("test");
    for (let i = 0; i < 100; i++) {
      const parent = tracer.startSpan("parent");
      tracer.startSpan("child", {}, trace.setSpan(ROOT_CONTEXT, parent)).end();
      parent.end();
    }
    for (let i = 0; i < 200; i += 2) {
      const [child, parent] = [ended[i]!, ended[i + 1]!];
      expect(nanos(parent.startTime)).toBeLessThanOrEqual(nanos(child.startTime));
      expect(nanos(child.endTime)).toBeLessThanOrEqual(nanos(parent.endTime));
    }
    vi.useFakeTimers({ now: 4_000_000_000_000, toFake: ["Date"] });
    tracer.startSpan("later").end();
    expect(nanos(ended.at(-1)!.startTime) / 1e9).toBeCloseTo(4_000_000_000, 3);
    vi.useRealTimers();
    tracer.startSpan("now").end();
    expect(Math.abs(nanos(ended.at(-1)!.startTime) / 1e6 - Date.now())).toBeLessThan(60_000);
  });

  it("makes a span active while what it was started for runs", () => {
    const manager = new AsyncLocalStorageContextManager().enable();
    context.setGlobalContextManager(manager);
    onTestFinished(() => context.disable());
    const tracer = createTracerProvider().getTracer("test");
    const isActive = (span: Span): boolean => trace.getActiveSpan() === span;
    expect(tracer.startActiveSpan("one", isActive)).toBe(true);
    expect(tracer.startActiveSpan("two", { kind: SpanKind.CLIENT }, isActive)).toBe(true);
    const parent = trace.setSpanContext(ROOT_CONTEXT, remote);
    expect(tracer.startActiveSpan("three", {}, parent, (span) => span.spanContext().traceId)).toBe(remote.traceId);
  });
});

function collectInto(spans: ReadableSpan[]): SpanProcessor {
  return {
    onStart() {},
    onEnd: (span) => void spans.push(span),
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
}

function nanos([seconds, nanoseconds]: HrTime): number {
  return seconds * 1e9 + nanoseconds;
}

type Step = (span: Span) => void;

interface Beginning {
  readonly parent: "none" | "local" | "remote" | "invalid" | "suppressed";
  readonly root: boolean;
  readonly kind: SpanKind | undefined;
  readonly attributes: Attributes | undefined;
  readonly links: Link[] | undefined;
  readonly startTime: TimeInput | undefined;
  readonly steps: readonly Step[];
  readonly endTime: TimeInput | undefined;
}

interface Program {
  readonly limits: SpanLimits;
  readonly sampler: Sampler | undefined;
  readonly spans: readonly Beginning[];
}

const wallNow = 1_800_000_000_000;

// What callers in JavaScript give, types or not.
const values: fc.Arbitrary<AttributeValue> = fc.oneof(
  fc.constantFrom<AttributeValue[]>(
    "",
    "text",
    "a long text, longer than some limits",
    0,
    -1.5,
    true,
    false,
    Number.NaN,
  ),
  fc.constantFrom<AttributeValue[]>(
    null,
    undefined,
    ["a", "b"],
    [1, null],
    [1, "mixed"],
    { nested: { deep: 1 } },
    new Uint8Array([1, 2]),
  ),
  fc.constantFrom<AttributeValue[]>(new Date(0), () => 1, Symbol("no"), 1n),
);
const keys = fc.constantFrom("", "a", "b", "c", "d", "rpc.method");
const attributes = fc.option(fc.dictionary(keys, values, { noNullPrototype: true }), {
  nil: undefined,
}) as fc.Arbitrary<Attributes | undefined>;
const times = fc.option(
  fc.oneof(
    fc.integer({ min: wallNow - 10_000, max: wallNow + 10_000 }),
    fc.integer({ min: wallNow - 10_000, max: wallNow + 10_000 }).map((ms) => new Date(ms)),
    fc.tuple(fc.constant(wallNow / 1000), fc.integer({ min: 0, max: 999_999_999 })) as fc.Arbitrary<HrTime>,
  ),
  { nil: undefined },
);
const links = fc.array(fc.record({ context: fc.constant(remote), attributes }), { maxLength: 4 }) as fc.Arbitrary<
  Link[]
>;
const exceptions = fc.constantFrom<Exception>(
  "text",
  { name: "TypeError", message: "no function", stack: "at x" },
  { code: 14, message: "unavailable" },
  { message: "nothing but a message" },
  {} as Exception,
);
const statuses = fc.record(
  {
    code: fc.constantFrom(SpanStatusCode.UNSET, SpanStatusCode.OK, SpanStatusCode.ERROR),
    message: fc.constantFrom<unknown>("broken", undefined, 5) as fc.Arbitrary<string>,
  },
  { requiredKeys: ["code"] },
);
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(keys, values).map(
    ([key, value]) =>
      (span: Span) =>
        void span.setAttribute(key, value),
  ),
  attributes.map((many) => (span: Span) => void span.setAttributes(many ?? {})),
  fc.tuple(attributes, times).map(
    ([given, time]) =>
      (span: Span) =>
        void span.addEvent("event", given, time),
  ),
  times.map((time) => (span: Span) => void span.addEvent("at a time", time)),
  links.map((many) => (span: Span) => void span.addLinks(many)),
  statuses.map((status) => (span: Span) => void span.setStatus(status)),
  fc.constantFrom("renamed", "").map((name) => (span: Span) => void span.updateName(name)),
  fc.tuple(exceptions, times).map(
    ([exception, time]) =>
      (span: Span) =>
        span.recordException(exception, time),
  ),
  fc.constant((span: Span) => span.end()),
  fc.constant(() => void vi.advanceTimersByTime(3)),
);
const limit = fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined });
const samplers: readonly (Sampler | undefined)[] = [
  undefined,
  new AlwaysOffSampler(),
  { shouldSample: () => ({ decision: SamplingDecision.RECORD }) },
  {
    shouldSample: () => ({
      decision: SamplingDecision.RECORD_AND_SAMPLED,
      attributes: { sampled: "by this", b: "B", none: undefined },
    }),
  },
];
const programs: fc.Arbitrary<Program> = fc.record({
  limits: fc.record({
    attributeCountLimit: limit,
    attributeValueLengthLimit: fc.constantFrom(undefined, 1, 5),
    eventCountLimit: limit,
    linkCountLimit: limit,
    attributePerEventCountLimit: limit,
    attributePerLinkCountLimit: limit,
  }) as fc.Arbitrary<SpanLimits>,
  sampler: fc.constantFrom(...samplers),
  spans: fc.array(
    fc.record({
      parent: fc.constantFrom("none", "local", "remote", "invalid", "suppressed"),
      root: fc.boolean(),
      kind: fc.constantFrom(undefined, SpanKind.SERVER),
      attributes,
      links: fc.option(links, { nil: undefined }),
      startTime: times,
      steps: fc.array(steps, { maxLength: 12 }),
      endTime: times,
    }) as fc.Arbitrary<Beginning>,
    { minLength: 1, maxLength: 4 },
  ),
});

/** Everything that can be seen of a span, by its user and by its exporter. */
function run({ limits, sampler, spans }: Program, open: (options: TracerProviderOptions) => TracerProvider): unknown[] {
  vi.useFakeTimers({ now: wallNow, toFake: ["Date", "performance"] });
  const exporter = new InMemorySpanExporter();
  const recorded: ReadableSpan[] = [];
  const provider = open({
    resource: resourceFromAttributes({ "service.name": "test" }),
    spanLimits: limits,
    idGenerator: countingIds(),
    spanProcessors: [new SimpleSpanProcessor({ exporter }), collectInto(recorded)],
    ...(sampler && { sampler }),
  });
  const tracer = provider.getTracer("library", "1.2.3", { schemaUrl: "https://example.test/1" });
  const seen: unknown[] = [];
  let before: Span | undefined;
  for (const { parent, root, kind, attributes, links, startTime, steps, endTime } of spans) {
    const options = { root, kind, attributes, links, startTime } as object;
    const span = tracer.startSpan("work", options, contextOf(parent, before));
    before = span;
    for (const step of steps) step(span);
    seen.push([
      span.spanContext(),
      span.isRecording(),
      "attributes" in span ? show(span as unknown as ReadableSpan) : "",
    ]);
    if (endTime === undefined) span.end();
    else span.end(endTime);
    seen.push(span.isRecording());
  }
  vi.useRealTimers();
  return [...seen, ...recorded.map(show), ...exporter.getFinishedSpans().map(show)];
}

function contextOf(parent: Beginning["parent"], before: Span | undefined): Context {
  switch (parent) {
    case "none":
      return ROOT_CONTEXT;
    case "local":
      return before === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, before);
    case "remote":
      return trace.setSpanContext(ROOT_CONTEXT, remote);
    case "invalid":
      return trace.setSpanContext(ROOT_CONTEXT, INVALID_SPAN_CONTEXT);
    case "suppressed":
      return suppressTracing(trace.setSpanContext(ROOT_CONTEXT, remote));
  }
}

function countingIds(): IdGenerator {
  let next = 1;
  const id = (length: number): string => (next++).toString(16).padStart(length, "0");
  return { generateTraceId: () => id(32), generateSpanId: () => id(16) };
}

function show(span: ReadableSpan): object {
  const { name, kind, parentSpanContext, startTime, endTime, status, attributes, links, events, duration, ended } =
    span;
  const { resource, instrumentationScope, droppedAttributesCount, droppedEventsCount, droppedLinksCount } = span;
  return {
    spanContext: span.spanContext(),
    ...{ name, kind, parentSpanContext, startTime, endTime, status, duration, ended, instrumentationScope },
    ...{ droppedAttributesCount, droppedEventsCount, droppedLinksCount },
    resource: resource.attributes,
    // Copies, since the next step changes them.
    attributes: Object.entries(attributes),
    links: [...links],
    events: [...events],
  };
}
