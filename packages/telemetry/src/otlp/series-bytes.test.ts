import { describe, expect, it } from "vitest";
import { createSeriesCache } from "./series-bytes.ts";

const content = Buffer.from("0123456789".repeat(10));

describe("createSeriesCache", () => {
  it("knows a row by its attributes' identity, and a stream by its own", () => {
    const seriesOf = createSeriesCache();
    const [stream, attributes] = [{}, {}];
    const series = seriesOf(stream);
    series.keep(3, attributes, content, 10, 20);
    expect(seriesOf(stream)).toBe(series);
    expect(seriesOf({})).not.toBe(series);
    expect(series.has(3, attributes)).toBe(true);
    expect(series.has(3, {})).toBe(false);
    expect(series.has(2, attributes)).toBe(false);
    expect(series.bytes.toString("latin1", series.starts[3], series.ends[3])).toBe("0123456789");
  });

  it("stays small when series come and go", () => {
    const seriesOf = createSeriesCache();
    const stream = {};
    for (let message = 0; message < 1_000; message++) {
      const series = seriesOf(stream);
      for (let row = 0; row < 10; row++) series.keep(row, {}, content, 0, content.length);
    }
    expect(seriesOf(stream).bytes.byteLength).toBeLessThan(10_000);
  });
});
