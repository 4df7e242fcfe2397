import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { acceptsGzip, negotiate } from "./negotiate.ts";

describe("negotiate", () => {
  it.each([
    ["no header", undefined, "text"],
    ["an empty header", "", "text"],
    ["anything", "*/*", "text"],
    ["a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text"],
    [
      "Prometheus 2",
      "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      "openmetrics",
    ],
    [
      "Prometheus 3",
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
      "openmetrics",
    ],
    [
      "Prometheus with protobuf first",
      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
      "protobuf",
    ],
    [
      "Prometheus that prefers text",
      "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1",
      "text",
    ],
    ["OpenMetrics without a version", "application/openmetrics-text", "openmetrics"],
    ["a quoted version", 'application/openmetrics-text; version="1.0.0"', "openmetrics"],
    ["capitals", "Application/OpenMetrics-Text; Version=1.0.0; Q=0.9, text/plain;q=0.5", "openmetrics"],
    ["a version not spoken", "application/openmetrics-text;version=0.0.1", "text"],
    ["a version not spoken, else anything", "application/openmetrics-text;version=2.0.0,*/*;q=0.1", "text"],
    ["OpenMetrics refused", "application/openmetrics-text;q=0, */*", "text"],
    ["text refused", "text/plain;q=0, */*;q=0.5", "openmetrics"],
    ["everything refused", "*/*;q=0", "text"],
    ["equal weights, OpenMetrics first", "application/openmetrics-text,text/plain", "openmetrics"],
    ["equal weights, text first", "text/plain,application/openmetrics-text", "text"],
    ["the heavier, text first", "text/plain;q=0.2,application/openmetrics-text;q=0.9", "openmetrics"],
    ["the heavier, OpenMetrics first", "application/openmetrics-text;q=0.2,text/plain;q=0.9", "text"],
    ["the heavier, less specific", "application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.9", "text"],
    ["the heavier version", "text/plain;version=0.0.4;q=0.2,text/plain;version=1.0.0;q=0.9", "text-1.0.0"],
    ["the whole application tree", "application/*", "openmetrics"],
    ["the tree below the type", "application/*;q=0.1,text/plain;q=0.2", "text"],
    ["a weight that is none", "application/openmetrics-text;q=often,text/plain;q=0.1", "text"],
    ["text 1.0.0", "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3", "text-1.0.0"],
    ["text of any version", "text/plain", "text"],
    ["protobuf without its message", "application/vnd.google.protobuf;encoding=delimited,text/plain;q=0.1", "text"],
    [
      "protobuf in another encoding",
      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
      "text",
    ],
    [
      "protobuf refused",
      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0",
      "text",
    ],
    ["an unknown format", "image/png", "text"],
    ["rubbish", ";;,=;q=,,/", "text"],
  ] as const)("answers %s", (_name, accept, format) => {
    expect(negotiate(accept).page).toBe(format);
  });
});

describe("negotiate", () => {
  it.each([
    ["nothing", undefined, "underscores", "text/plain; version=0.0.4; charset=utf-8"],
    [
      "Prometheus 3",
      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8;q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3",
      "allow-utf-8",
      "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=allow-utf-8",
    ],
    [
      "OpenMetrics with dots",
      "application/openmetrics-text;version=1.0.0;escaping=dots",
      "dots",
      "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=dots",
    ],
    ["values", "text/plain;escaping=values", "values", "text/plain; version=0.0.4; charset=utf-8; escaping=values"],
    [
      "quotes that text 0.0.4 lacks",
      "text/plain;escaping=allow-utf-8",
      "underscores",
      "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
    ],
    ["a scheme of the future", "text/plain;escaping=emoji", "underscores", "text/plain; version=0.0.4; charset=utf-8"],
  ])("finds the escaping for %s", (_name, accept, escaping, contentType) => {
    expect(negotiate(accept)).toMatchObject({ escaping, contentType });
  });
});

describe("negotiate", () => {
  /**
   * What RFC 9110 makes of a header whose ranges are from the lists below, each at most once: every format has the weight of the most
   * specific range that matches it, and of those that nobody else outweighs one is served.
   */
  function heaviest(ranges: readonly (readonly [range: string, q: number])[]): ReadonlySet<string> {
    const weights = Object.entries(rangesOf).map(([page, mostSpecificFirst]) => {
      const range = mostSpecificFirst.find((candidate) => ranges.some(([given]) => given === candidate));
      return [page, ranges.find(([given]) => given === range)?.[1] ?? 0] as const;
    });
    const most = Math.max(...weights.map(([, q]) => q));
    return new Set(most === 0 ? ["text"] : weights.filter(([, q]) => q === most).map(([page]) => page));
  }
  const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
  /** What of a header may be meant, the most specific first. Nobody gets text 1.0.0 or protobuf who does not name it whole. */
  const rangesOf: Readonly<Record<string, readonly string[]>> = {
    text: ["text/plain;version=0.0.4", "text/plain", "text/*", "*/*"],
    "text-1.0.0": ["text/plain;version=1.0.0"],
    openmetrics: ["application/openmetrics-text;version=1.0.0", "application/openmetrics-text", "application/*", "*/*"],
    protobuf: [protobuf],
  };

  it("serves what weighs most, whatever the order and how specific the ranges are", () => {
    const foreign = [
      "image/png",
      "text/html",
      "application/openmetrics-text;version=0.0.1",
      "text/plain;version=2.0.0",
    ];
    const range = fc.tuple(
      fc.constantFrom(...new Set([...Object.values(rangesOf).flat(), ...foreign])),
      fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10),
    );
    const header = fc.uniqueArray(range, { maxLength: 7, selector: ([name]) => name });
    fc.assert(
      fc.property(header, (ranges) => {
        const accept = ranges.map(([name, q]) => `${name};q=${q}`).join(", ");
        expect(heaviest(ranges)).toContain(negotiate(accept).page);
      }),
      { numRuns: 2000, seed: 20261124 },
    );
  });
});

describe("acceptsGzip", () => {
  it.each([
    [undefined, false],
    ["", false],
    ["gzip", true],
    ["gzip, deflate, br", true],
    ["GZIP;q=0.5", true],
    ["x-gzip", true],
    ["*", true],
    ["gzip;q=0", false],
    ["gzip;q=0, *", false],
    ["*;q=0", false],
    ["identity", false],
    ["identity;q=1, gzip;q=0.5", false],
    ["identity;q=0.5, gzip;q=1", true],
    ["br, deflate", false],
  ])("%s → %s", (header, expected) => {
    expect(acceptsGzip(header)).toBe(expected);
  });
});
