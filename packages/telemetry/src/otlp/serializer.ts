import type { ResourceMetrics } from "@opentelemetry/sdk-metrics";
import { snapshotOf } from "@almanac/metrics/internal";
import { createJsonFormat } from "./json.ts";
import { writeMessages } from "./messages.ts";
import { createProtobufFormat } from "./protobuf.ts";

/** Writes what a reader collected as one `ExportMetricsServiceRequest`, with exemplars. For those who send it themselves. */
export interface OtlpMetricsSerializer {
  /** Valid until the next call, which uses the memory again. Undefined where there is not a single data point. */
  serializeRequest(metrics: ResourceMetrics): Uint8Array | undefined;
}

/** What it learns about the series serves the next call, so keep it. */
export function createOtlpMetricsSerializer(encoding: "protobuf" | "json"): OtlpMetricsSerializer {
  const format = encoding === "json" ? createJsonFormat() : createProtobufFormat();
  return {
    serializeRequest(metrics) {
      let bytes: Uint8Array | undefined;
      for (const message of writeMessages(snapshotOf(metrics), format, Infinity)) bytes = message?.bytes;
      return bytes;
    },
  };
}
