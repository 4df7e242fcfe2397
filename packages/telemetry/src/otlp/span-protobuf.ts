import type { HrTime, Link } from "@opentelemetry/api";
import type { InstrumentationScope } from "@opentelemetry/core";
import type { Resource } from "@opentelemetry/resources";
import type { ReadableSpan, TimedEvent } from "@opentelemetry/sdk-trace";
import { BackwardWriter } from "./backward-writer.ts";
import { hrTimeUnixNanos } from "./unix-nanos.ts";

/*
 * Field numbers are those of opentelemetry/proto/trace/v1/trace.proto (https://github.com/open-telemetry/opentelemetry-proto, version 1.9).
 * Zeros and empty texts are left out, which reads the same.
 */

/** Of `Span.flags` and `Link.flags`: whether the parent, or what is linked, is of another process is known, and whether it is. */
const knowsRemote = 0x100;
const isRemoteFlag = 0x200;

/** Writes `ExportTraceServiceRequest`s. */
export interface SpanFormat {
  write(spans: readonly ReadableSpan[]): Uint8Array;
}

/** Protobuf, written from back to front. Memory: a buffer of the size of the largest message of late. */
export function createSpanFormat(): SpanFormat {
  const writer = new BackwardWriter();

  function putTime(field: number, time: HrTime): void {
    const { low, high } = hrTimeUnixNanos(time);
    writer.fixed(field, low, high);
  }

  function putCount(field: number, count: number | undefined): void {
    if (count) writer.varint(field, count);
  }

  function putText(field: number, text: string | undefined): void {
    if (text) writer.text(field, text);
  }

  function putFlags(field: number, traceFlags: number, isRemote: boolean | undefined): void {
    writer.fixed32(field, (traceFlags & 0xff) | knowsRemote | (isRemote === true ? isRemoteFlag : 0));
  }

  function putEvent({ name, time, attributes, droppedAttributesCount }: TimedEvent): void {
    const end = writer.length;
    putCount(4, droppedAttributesCount);
    if (attributes !== undefined) writer.attributes(3, attributes);
    putText(2, name);
    putTime(1, time);
    writer.close(11, end);
  }

  function putLink({ context, attributes, droppedAttributesCount }: Link): void {
    const end = writer.length;
    putFlags(6, context.traceFlags, context.isRemote);
    putCount(5, droppedAttributesCount);
    if (attributes !== undefined) writer.attributes(4, attributes);
    putText(3, context.traceState?.serialize());
    writer.hexadecimal(2, context.spanId);
    writer.hexadecimal(1, context.traceId);
    writer.close(13, end);
  }

  function putSpan(span: ReadableSpan): void {
    const { events, links, status, parentSpanContext } = span;
    const { traceId, spanId, traceFlags, traceState } = span.spanContext();
    const end = writer.length;
    putFlags(16, traceFlags, parentSpanContext?.isRemote);
    const statusEnd = writer.length;
    putCount(3, status.code);
    putText(2, status.message);
    writer.close(15, statusEnd);
    putCount(14, span.droppedLinksCount);
    for (let index = links.length - 1; index >= 0; index--) putLink(links[index]!);
    putCount(12, span.droppedEventsCount);
    for (let index = events.length - 1; index >= 0; index--) putEvent(events[index]!);
    putCount(10, span.droppedAttributesCount);
    writer.attributes(9, span.attributes);
    putTime(8, span.endTime);
    putTime(7, span.startTime);
    // The API counts kinds from 0, OTLP from 1.
    writer.varint(6, span.kind + 1);
    putText(5, span.name);
    if (parentSpanContext !== undefined) writer.hexadecimal(4, parentSpanContext.spanId);
    putText(3, traceState?.serialize());
    writer.hexadecimal(2, spanId);
    writer.hexadecimal(1, traceId);
    writer.close(2, end);
  }

  function putScope(scope: InstrumentationScope, spans: readonly ReadableSpan[]): void {
    const end = writer.length;
    putText(3, scope.schemaUrl);
    for (let index = spans.length - 1; index >= 0; index--) putSpan(spans[index]!);
    const scopeEnd = writer.length;
    putText(2, scope.version);
    putText(1, scope.name);
    writer.close(1, scopeEnd);
    writer.close(2, end);
  }

  function putResource(resource: Resource, scopes: Map<InstrumentationScope, readonly ReadableSpan[]>): void {
    const end = writer.length;
    putText(3, resource.schemaUrl);
    for (const [scope, spans] of [...scopes].reverse()) putScope(scope, spans);
    const resourceEnd = writer.length;
    writer.attributes(1, resource.attributes);
    writer.close(1, resourceEnd);
    writer.close(1, end);
  }

  return {
    write(spans) {
      const resources = Map.groupBy(spans, ({ resource }) => resource);
      writer.reset();
      for (const [resource, own] of [...resources].reverse())
        putResource(
          resource,
          Map.groupBy(own, ({ instrumentationScope }) => instrumentationScope),
        );
      // A transport may still be sending it when the next one is written.
      return new Uint8Array(writer.message());
    },
  };
}
