import type { AnyValue } from "@opentelemetry/api";
import { createMeterProvider } from "@almanac/metrics";
import { describe, expect, it } from "vitest";
import { attributeText, seriesKey } from "./label.ts";
import { readPage } from "./page.test.helper.ts";
import { createPrometheusReader } from "./reader.ts";

describe("attributeText", () => {
  it.each<[AnyValue, string]>([
    ["text", "text"],
    ["", ""],
    [null, ""],
    [undefined, ""],
    [true, "true"],
    [1.5, "1.5"],
    [1e21, "1e+21"],
    [NaN, "NaN"],
    [Infinity, "Infinity"],
    [-Infinity, "-Infinity"],
    [["a", 1, null, NaN, -Infinity], '["a",1,null,"NaN","-Infinity"]'],
    [{ a: { b: Infinity } }, '{"a":{"b":"Infinity"}}'],
    [Uint8Array.of(1, 2, 255), "AQL/"],
    [Buffer.from([1, 2, 255]), "AQL/"],
    [{ a: Buffer.from([1]) }, '{"a":"AQ=="}'],
  ])("of %j is %j", (value, text) => {
    expect(attributeText(value as never)).toBe(text);
  });
});

describe("seriesKey", () => {
  it.each([
    ['a="1",b="2"', 'a="1",b="2"'],
    ['a="",b="2",c=""', 'b="2"'],
    ['a="",b="x=\\"\\",c=\\"\\""', 'b="x=\\"\\",c=\\"\\""'],
    ['"x=\\"\\",y"="","é"="1,="', '"é"="1,="'],
    ['a=""', ""],
  ])("of %s is %s", (text, key) => {
    expect(seriesKey(text)).toBe(key);
  });
});

describe("series", () => {
  it("whose values are no JSON numbers stay apart, and merge where they are one to Prometheus", async () => {
    const reader = createPrometheusReader();
    const meter = createMeterProvider({ readers: [reader] }).getMeter("m");
    const counter = meter.createCounter("c");
    for (const k of [NaN, Infinity, -Infinity, "null", "x", null as never, ""]) counter.add(1, { k });
    counter.add(1);
    const gauge = meter.createGauge("g");
    gauge.record(1, { k: "" });
    gauge.record(2);
    const page = readPage((await reader.render()).body, "text");
    expect(Object.fromEntries(page.get("c_total")?.samples ?? [])).toEqual({
      'c_total{k="NaN"}': 1,
      'c_total{k="Infinity"}': 1,
      'c_total{k="-Infinity"}': 1,
      'c_total{k="null"}': 1,
      'c_total{k="x"}': 1,
      'c_total{k=""}': 3,
    });
    expect([...(page.get("g")?.samples ?? [])]).toEqual([['g{k=""}', 2]]);
  });
});
