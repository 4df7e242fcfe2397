import type { ServerInterceptor } from "@grpc/grpc-js";
import type { CallRecord, GrpcTelemetry } from "./call-telemetry.ts";

export interface ServerInterceptorOptions {
  /** Name of the method to show for a path such as `/provider.v1.Provider/Create`: `package.Service/Method`. Default: the path's own. */
  methodName?(path: string): string;
  /** True for paths without span, measurement and onCall (health, reflection). Default: none. */
  ignore?(path: string): boolean;
  /** Called once per call, after it was recorded, inside the span's context. */
  onCall?(call: CallRecord): void;
}

export declare function createServerInterceptor(
  telemetry: GrpcTelemetry,
  options?: ServerInterceptorOptions,
): ServerInterceptor;
