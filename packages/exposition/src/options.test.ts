import { describe, expect, it } from "vitest";
import { parsePage } from "./parse/page.ts";
import { PrometheusExporter } from "./prometheus-exporter.ts";
import { createPrometheusReader } from "./reader.ts";

describe("options that are none", () => {
  it.each<[Record<string, unknown>, RegExp]>([
    [{ translationStrategy: "nope" }, /translationStrategy must be one of Under.*, NoTranslation, got 'nope'/],
    [{ resourceLabels: "region" }, /resourceLabels must be a regular expression, such as .*, got 'region'/],
    [{ prefix: 7 }, /prefix must be text, got 7/],
    [{ prefix: null }, /prefix must be text, got null/],
    [{ catalogs: { families: {} } }, /catalogs must be an array of .*, got \{ families: /],
    [{ catalogs: ["virtrigaud"] }, /catalogs must be an array of .*, got \[ 'virtrigaud' \]/],
    [{ collectTimeoutMs: 0 }, /collectTimeoutMs must be a positive number, got 0/],
    [{ maxRenderings: "8" }, /maxRenderings must be a positive number, got '8'/],
  ])("of createPrometheusReader are named: %j", (options, message) => {
    expect(() => createPrometheusReader(options as never)).toThrow(
      expect.objectContaining({ code: "invalid_options", message: expect.stringMatching(message) as string }),
    );
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ endpoint: 5 }, /endpoint must be text, got 5/],
    [{ host: 5 }, /host must be text, got 5/],
    [{ port: "9464" }, /port must be a whole number from 0 to 65535, got '9464'/],
    [{ port: 70_000 }, /port must be a whole number from 0 to 65535, got 70000/],
    [{ withResourceConstantLabels: "region" }, /withResourceConstantLabels must be a regular expression/],
    [{ prefix: {} }, /prefix must be text, got {}/],
    [{ translationStrategy: "nope" }, /translationStrategy must be one of/],
    [{ catalogs: "virtrigaud" }, /catalogs must be an array/],
  ])("of PrometheusExporter are named: %j", (options, message) => {
    expect(() => new PrometheusExporter({ ...options, preventServerStart: true })).toThrow(
      expect.objectContaining({ code: "invalid_options", message: expect.stringMatching(message) as string }),
    );
  });

  it.each<[unknown, unknown, RegExp]>([
    ["a 1\n", "nope", /format must be one of text, text-1.0.0, openmetrics, protobuf, got 'nope'/],
    ["a 1\n", undefined, /format must be one of .*, got undefined/],
    [undefined, "text", /page must be text or bytes, got undefined/],
    [{}, "protobuf", /page must be text or bytes, got {}/],
  ])("of parsePage are named: %j as %j", (page, format, message) => {
    expect(() => parsePage(page as never, format as never)).toThrow(
      expect.objectContaining({ code: "invalid_options", message: expect.stringMatching(message) as string }),
    );
  });
});
