import { validateHeaderName, validateHeaderValue } from "node:http";
import { TelemetryError } from "../error.ts";
import type { OtlpMetricExporterOptions, OtlpProtocol } from "./exporter.ts";

export const protocols = ["http/protobuf", "http/json", "grpc"] as const satisfies readonly OtlpProtocol[];
export const temporalities = ["cumulative", "delta", "lowmemory"] as const;
const choices = { protocol: protocols, compression: ["gzip", "none"], temporality: temporalities } as const;

/** @throws TelemetryError `invalid_options` with the field, its value unless that may be a secret, and what it may be. */
export function checkOptions(options: OtlpMetricExporterOptions): void {
  // From JavaScript anything may come.
  const given: Readonly<Record<string, unknown>> = { ...options };
  for (const [name, values] of Object.entries(choices)) {
    const value = given[name];
    if (value === undefined || (values as readonly unknown[]).includes(value)) continue;
    refuse(`${name} must be one of ${values.join(", ")}, got ${shown(value)}`);
  }
  for (const name of ["timeoutMs", "maxMessageBytes"]) {
    const value = given[name];
    if (value === undefined || (typeof value === "number" && value > 0)) continue;
    refuse(`${name} must be a positive number, got ${shown(value)}`);
  }
  const { onPartialSuccess } = given;
  if (onPartialSuccess !== undefined && typeof onPartialSuccess !== "function") {
    refuse(`onPartialSuccess must be a function, got ${shown(onPartialSuccess)}`);
  }
  checkUrl(given["url"]);
  checkHeaders(given["headers"]);
}

function checkUrl(url: unknown): void {
  if (url === undefined) return;
  if (typeof url === "string" && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return;
  // An address with more than host, port and path may hold credentials.
  const got = typeof url === "string" && /[@?#=]/.test(url) ? "" : `, got ${shown(url)}`;
  refuse(`url must be an http:// or https:// address with host and port${got}`);
}

/** Values may be secrets, so none is shown. */
function checkHeaders(headers: unknown): void {
  if (headers === undefined) return;
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) {
    refuse(`headers must be an object of texts, got ${typeof headers === "string" ? "a text" : shown(headers)}`);
  }
  for (const [name, value] of Object.entries(headers as Record<string, unknown>)) {
    if (!passes(() => validateHeaderName(name))) {
      refuse(`headers holds ${shown(name)}, which is no name of a header; use letters, digits and hyphens`);
    }
    const field = `headers[${JSON.stringify(name)}]`;
    if (typeof value !== "string") {
      refuse(`${field} must be a text, got ${Array.isArray(value) ? "an array" : `a ${typeof value}`}`);
    } else if (!passes(() => validateHeaderValue(name, value))) {
      refuse(`${field} holds a character that no header may hold, e.g. a line break; encode or remove it`);
    }
  }
}

function passes(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function refuse(message: string): never {
  throw new TelemetryError("invalid_options", message);
}
