import { describe, expect, it } from "vitest";
import { idleFamilies, otlpDestination } from "./otlp-destination.ts";

describe("otlpDestination", () => {
  it.each([
    ["nothing set", {}, { kind: "own" }],
    ["an empty endpoint", { OTEL_EXPORTER_OTLP_ENDPOINT: "" }, { kind: "own" }],
    [
      "an endpoint",
      { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" },
      { kind: "configured", endpoint: "http://collector:4318" },
    ],
    [
      "an endpoint for traces alone",
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://t" },
      { kind: "configured", endpoint: "http://t" },
    ],
    ["the SDK disabled", { OTEL_SDK_DISABLED: "true", OTEL_EXPORTER_OTLP_ENDPOINT: "http://c" }, { kind: "off" }],
    ["no traces exporter", { OTEL_TRACES_EXPORTER: "none" }, { kind: "off" }],
  ])("%s", (_name, env, expected) => {
    expect(otlpDestination(env)).toEqual(expected);
  });
});

describe("idleFamilies", () => {
  it("expects every family of the demo's own receiver, and no failures of a healthy one", () => {
    expect(idleFamilies({ kind: "own" })).toEqual([]);
    expect(idleFamilies({ kind: "configured", endpoint: "http://c" })).toEqual(["almanac_spans_dropped_total"]);
    expect(idleFamilies({ kind: "off" })).toContain("almanac_otlp_exports_total");
  });
});
