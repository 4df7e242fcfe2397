import { describe, expect, it } from "vitest";
import { labelPairs, labelText } from "./label.ts";
import { sanitizeLabel, translateName } from "./name.ts";

describe("translateName", () => {
  it.each([
    ["http.server.requests", "", "counter", "http_server_requests_total"],
    ["http.server.requests_total", "", "counter", "http_server_requests_total"],
    ["http.server.duration", "s", "gauge", "http_server_duration_seconds"],
    ["bytes.sent", "By", "counter", "bytes_sent_total"],
    ["net.sent", "By", "counter", "net_sent_bytes_total"],
    ["net.sent_total", "By", "counter", "net_sent_bytes_total"],
    ["net.rate", "By/s", "gauge", "net_rate_bytes_per_second"],
    ["net.packets", "{packet}", "counter", "net_packets_total"],
    ["net.rate", "{packet}/s", "gauge", "net_rate_per_second"],
    ["load", "1", "gauge", "load_ratio"],
    ["load", "1", "counter", "load_total"],
    ["load", "1", "up-down counter", "load"],
    ["fill", "%", "gauge", "fill_percent"],
    ["odd", "m³/h·x", "gauge", "odd_m_per_h_x"],
    ["queue", "items", "up-down counter", "queue_items"],
    ["a..b--c//d", "", "gauge", "a_b_c_d"],
    ["9lives", "", "gauge", "_9lives"],
    ["ns:name", "", "gauge", "ns:name"],
    ["trailing.", "s", "gauge", "trailing_seconds"],
  ] as const)("exposes %s in %s as a %s named %s", (name, unit, kind, expected) => {
    expect(translateName({ name, unit, kind })?.name).toBe(expected);
  });

  it.each(["", "...", "µ", "_"])("finds no name in %j", (name) => {
    expect(translateName({ name, unit: "s", kind: "gauge" })).toBeUndefined();
  });
});

describe("sanitizeLabel", () => {
  it.each([
    ["kind", "kind"],
    ["provider_type", "provider_type"],
    ["http.method", "http_method"],
    ["a..b", "a_b"],
    ["__name__", "_name_"],
    ["1st", "_1st"],
    ["µ", "_"],
    ["", "_"],
  ])("%j → %s", (key, expected) => {
    expect(sanitizeLabel(key)).toBe(expected);
  });
});

describe("labelText", () => {
  it.each([
    ["nothing", {}, false, [], ""],
    ["a plain pair", { kind: "VM" }, false, [], 'kind="VM"'],
    ["the characters both formats escape", { k: 'a\\b"c\nd\te\r' }, false, [], 'k="a\\\\b\\"c\\nd\te\r"'],
    ["a NUL, which would end the page", { k: "a\0b" }, false, [], 'k="a\uFFFDb"'],
    ["keys that collide, by original key", { "b.x": "2", b_x: "3", "b-x": "1" }, false, [], 'b_x="1;2;3"'],
    ["declared keys first", { z: "1", b: "2", a: "3" }, false, ["a", "b", "c"], 'a="3",b="2",z="1"'],
    ["le of a histogram", { le: "x" }, true, [], 'exported_le="x"'],
    ["le elsewhere", { le: "x" }, false, [], 'le="x"'],
    [
      "values that are not strings",
      { a: 1, b: true, c: ["x", "y"], d: undefined },
      false,
      [],
      'a="1",b="true",c="[\\"x\\",\\"y\\"]",d=""',
    ],
    ["the overflow series", { "otel.metric.overflow": true }, false, [], 'otel_metric_overflow="true"'],
  ] as const)("writes %s", (_name, attributes, histogram, order, expected) => {
    expect(labelText(labelPairs(attributes, { histogram, order, label: sanitizeLabel }))).toBe(expected);
  });
});
