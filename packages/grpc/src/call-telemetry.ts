import type { TextMapPropagator, TracerProvider } from "@opentelemetry/api";
import type { Logger } from "@almanac/core";
import type { GrpcCode } from "./grpc-code.ts";

/** Labels of both call duration histograms: OpenTelemetry's RPC attributes with Prometheus' spelling. */
export interface CallLabels {
  readonly rpc_method: string;
  readonly rpc_system_name: "grpc";
  /** The status of a call that failed, "" of one that did not. */
  readonly error_type: string;
  readonly rpc_status_code: GrpcCode;
}

/** Where spans and measurements of calls go. A `Telemetry` fits. */
export interface GrpcTelemetry {
  readonly tracerProvider: TracerProvider;
  readonly propagator: TextMapPropagator;
  readonly stack: {
    readonly rpc_client_call_duration_seconds: { record(seconds: number, labels: CallLabels): void };
    readonly rpc_server_call_duration_seconds: { record(seconds: number, labels: CallLabels): void };
  };
  readonly logger?: Logger;
}

/** How one call ended. */
export interface CallRecord {
  /** Full service name, e.g. `almanac.provider.v1.Provider`. */
  readonly service: string;
  /** Method name alone, e.g. `CreateVM`. */
  readonly method: string;
  readonly code: GrpcCode;
  readonly durationSeconds: number;
}
