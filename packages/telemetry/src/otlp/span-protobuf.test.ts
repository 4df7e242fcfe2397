import { createTraceState, ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import type { Attributes, AttributeValue, HrTime, Link, SpanContext } from "@opentelemetry/api";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createTracerProvider } from "../trace/tracer-provider.ts";
import { decodeTraceRequest } from "./proto.test.helper.ts";
import { createSpanFormat } from "./span-protobuf.ts";

const full = process.env["ALMANAC_FULL"] === "1";

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 6 }),
  fc.constant("x".repeat(200)),
);
const value: fc.Arbitrary<AttributeValue> = fc.oneof(
  text,
  fc.boolean(),
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.constantFrom(0, -0, -1, 2 ** 53, -(2 ** 53), 1e300),
  fc.array(text, { maxLength: 4 }),
  fc.array(fc.integer(), { maxLength: 4 }),
);
const attributes: fc.Arbitrary<Attributes> = fc.dictionary(text, value, { maxKeys: 5 });
const spanContext: fc.Arbitrary<SpanContext> = fc.record(
  {
    traceId: hex(32),
    spanId: hex(16),
    traceFlags: fc.constantFrom(TraceFlags.NONE, TraceFlags.SAMPLED),
    isRemote: fc.boolean(),
    traceState: fc.constantFrom("a=1", "a=1,b=2").map((state) => createTraceState(state)),
  },
  { requiredKeys: ["traceId", "spanId", "traceFlags"] },
);
const time: fc.Arbitrary<HrTime> = fc.tuple(
  fc.integer({ min: 0, max: 2 ** 33 }),
  fc.integer({ min: 0, max: 999_999_999 }),
);
const count = fc.constantFrom(0, 0, 1, 127, 128, 70_000);
const link: fc.Arbitrary<Link> = fc.record(
  { context: spanContext, attributes, droppedAttributesCount: count },
  { requiredKeys: ["context"] },
);
const resources = [
  resourceFromAttributes({ "service.name": "one", numbers: [1, 2] }),
  resourceFromAttributes({}, { schemaUrl: "https://example.com/schema" }),
];
const scopes = [
  { name: "one" },
  { name: "one", version: "1.0" },
  { name: "größe", version: "", schemaUrl: "https://example.com/1" },
];
/** What exporters read of a span; scopes that are equal but not the same object too. */
const span: fc.Arbitrary<ReadableSpan> = fc
  .record({
    context: spanContext,
    parentSpanContext: fc.option(spanContext, { nil: undefined }),
    name: text,
    kind: fc.integer({ min: 0, max: 4 }),
    startTime: time,
    endTime: time,
    attributes,
    droppedAttributesCount: count,
    events: fc.array(
      fc.record({ name: text, time, attributes, droppedAttributesCount: count }, { requiredKeys: ["name", "time"] }),
      { maxLength: 3 },
    ),
    droppedEventsCount: count,
    links: fc.array(link, { maxLength: 3 }),
    droppedLinksCount: count,
    status: fc.record({ code: fc.integer({ min: 0, max: 2 }), message: text }, { requiredKeys: ["code"] }),
    resource: fc.constantFrom(...resources),
    instrumentationScope: fc.constantFrom(...scopes, ...scopes.map((scope) => ({ ...scope }))),
  })
  .map(({ context, ...rest }) => ({ ...rest, spanContext: () => context }) as unknown as ReadableSpan);

describe("createSpanFormat", () => {
  it("writes what the official serialiser writes", () => {
    const format = createSpanFormat();
    fc.assert(
      fc.property(fc.array(span, { maxLength: 12 }), (spans) => {
        const official = ProtobufTraceSerializer.serializeRequest(spans);
        expect(decodeTraceRequest(format.write(spans))).toEqual(decodeTraceRequest(official ?? new Uint8Array()));
      }),
      { seed: 31_337, numRuns: full ? 10_000 : 300 },
    );
  });

  it("writes spans as they are made, thousands at a time, and keeps what it gave before", () => {
    const exporter = new InMemorySpanExporter();
    const provider = createTracerProvider({
      resource: resources[0]!,
      spanProcessors: [new SimpleSpanProcessor({ exporter })],
    });
    const tracer = provider.getTracer("manager", "1.0");
    const parent = tracer.startSpan("parent", { attributes: { "rpc.method": "CreateVM" } });
    for (let number = 0; number < 3_000; number++) {
      const child = tracer.startSpan(`child ${number}`, {}, trace.setSpan(ROOT_CONTEXT, parent));
      child.addEvent("seen", { number });
      child.end();
    }
    parent.end();
    const spans = exporter.getFinishedSpans();
    const format = createSpanFormat();
    const first = format.write(spans.slice(0, 10));
    const all = format.write(spans);
    for (const [bytes, given] of [
      [first, spans.slice(0, 10)],
      [all, spans],
    ] as const) {
      const official = ProtobufTraceSerializer.serializeRequest(given) ?? new Uint8Array();
      expect(decodeTraceRequest(bytes)).toEqual(decodeTraceRequest(official));
      expect(bytes.length).toBeLessThan(official.length);
    }
  });
});
