import { randomUUID } from "node:crypto";
import { arch, hostname, platform, release } from "node:os";
import { basename } from "node:path";
import { defaultResource, resourceFromAttributes, type Resource } from "@opentelemetry/resources";
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from "@opentelemetry/semantic-conventions";
import type { Environment } from "./environment.ts";
import type { TelemetryOptions } from "./types.ts";

/**
 * The process as OpenTelemetry's resource conventions describe it. The official detectors are not used: they add the command line, which
 * may hold secrets, and start programs to learn a machine id. Later wins: what is found out, `options`, `OTEL_RESOURCE_ATTRIBUTES`,
 * `OTEL_SERVICE_NAME`.
 */
export function describeProcess(options: TelemetryOptions, environment: Environment): Resource {
  const attributes: Record<string, string | number> = {
    // Of two processes on one host, and of one before and after a restart, each is an instance of its own.
    "service.instance.id": randomUUID(),
    "process.pid": process.pid,
    "process.executable.name": basename(process.execPath),
    "process.runtime.name": "nodejs",
    "process.runtime.version": process.versions.node,
    "host.name": hostname(),
    "host.arch": arch() === "x64" ? "amd64" : arch(),
    "os.type": platform() === "win32" ? "windows" : platform(),
    "os.version": release(),
    ...options.resourceAttributes,
    [ATTR_SERVICE_NAME]: options.serviceName,
    ...(options.version !== undefined && { [ATTR_SERVICE_VERSION]: options.version }),
    ...environment.resourceAttributes,
    ...(environment.serviceName !== undefined && { [ATTR_SERVICE_NAME]: environment.serviceName }),
  };
  return defaultResource().merge(resourceFromAttributes(attributes));
}
