/** Where the components' traces and pushed metrics go. */
export type OtlpDestination =
  /** Nothing is configured: the demo receives them itself. */
  | { readonly kind: "own" }
  /** The user's own, by the `OTEL_*` variables. */
  | { readonly kind: "configured"; readonly endpoint: string }
  /** Switched off by `OTEL_SDK_DISABLED` or `OTEL_TRACES_EXPORTER=none`. */
  | { readonly kind: "off" };

const endpointVariables = [
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
  "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
];

/** Reads the environment as the OpenTelemetry specification has it: an empty variable counts as unset. */
export function otlpDestination(env: NodeJS.ProcessEnv): OtlpDestination {
  if (env["OTEL_SDK_DISABLED"] === "true" || env["OTEL_TRACES_EXPORTER"] === "none") return { kind: "off" };
  const endpoint = endpointVariables.map((name) => env[name]).find((value) => value !== undefined && value !== "");
  return endpoint === undefined ? { kind: "own" } : { kind: "configured", endpoint };
}

/** Families that cannot move with this destination: a healthy endpoint drops nothing, and where nothing is sent no export ends. */
export function idleFamilies(destination: OtlpDestination): readonly string[] {
  switch (destination.kind) {
    case "own":
      return [];
    case "configured":
      return ["almanac_spans_dropped_total"];
    case "off":
      return ["almanac_spans_dropped_total", "almanac_otlp_exports_total"];
  }
}
