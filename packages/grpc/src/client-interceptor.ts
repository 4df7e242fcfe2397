import type { Interceptor } from "@grpc/grpc-js";
import type { CallRecord, GrpcTelemetry } from "./call-telemetry.ts";

export interface ClientInterceptorOptions {
  /** Name of the method to show for a path such as `/provider.v1.Provider/Create`: `package.Service/Method`. Default: the path's own. */
  methodName?(path: string): string;
  /** Deadline in milliseconds from now for calls whose caller set none; undefined: none. Gets the shown method and service names. */
  deadlineMs?(method: string, service: string): number | undefined;
  /** Called once per call, after it was recorded, inside the span's context. */
  onCall?(call: CallRecord): void;
}

export declare function createClientInterceptor(
  telemetry: GrpcTelemetry,
  options?: ClientInterceptorOptions,
): Interceptor;
