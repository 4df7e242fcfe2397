import { ExportResultCode } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import { JsonTraceSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { connect, type ConnectionOptions } from "./connection.ts";
import { createSpanFormat } from "./span-protobuf.ts";

/**
 * Sends spans, in JSON as the official serialiser writes them, in protobuf as it does with zeros left out. Over every protocol it tries again while a receiver is not to be had, within
 * `timeoutMs` per batch; `shutdown` cancels what is under way.
 */
export async function createOtlpSpanExporter(options: ConnectionOptions): Promise<SpanExporter> {
  const isJson = options.protocol === "http/json";
  const serializer = isJson ? JsonTraceSerializer : ProtobufTraceSerializer;
  const format = createSpanFormat();
  const connection = await connect<ReadableSpan[]>(options, {
    name: "TRACES",
    serialize: (spans) => (isJson ? serializer.serializeRequest(spans) : format.write(spans)),
    readPartialSuccess(answer) {
      if (answer.byteLength === 0) return undefined;
      const { partialSuccess } = serializer.deserializeResponse(answer);
      return partialSuccess && Object.keys(partialSuccess).length > 0 ? partialSuccess : undefined;
    },
    counted: { name: "span", countItems: ({ length }) => length },
  });
  return {
    export(spans, callback) {
      connection.send(spans).then(
        () => callback({ code: ExportResultCode.SUCCESS }),
        (thrown: unknown) => callback({ code: ExportResultCode.FAILED, error: thrown as Error }),
      );
    },
    shutdown: () => connection.close(),
  };
}
