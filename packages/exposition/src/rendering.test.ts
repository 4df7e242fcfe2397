import { sleep, type Clock } from "@almanac/core";
import { createMeterProvider } from "@almanac/metrics";
import { createVirtualClock } from "@almanac/testkit";
import { afterEach, describe, expect, it } from "vitest";
import { readPage } from "./page.test.helper.ts";
import { createPrometheusReader, type PrometheusReaderOptions } from "./reader.ts";
import { startMetricsServer } from "./server.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

const openMetrics = "application/openmetrics-text;version=1.0.0";

function setUp(options: PrometheusReaderOptions = {}) {
  const reader = createPrometheusReader(options);
  const meter = createMeterProvider({ readers: [reader] }).getMeter("test");
  return { reader, meter };
}

/** With an engine that goes by the same clock. */
function setUpOn(clock: Clock) {
  const reader = createPrometheusReader({ clock });
  return { reader, meter: createMeterProvider({ readers: [reader], clock }).getMeter("test") };
}

/** A gauge whose reading ends when told to. */
function withSlowSource(options: PrometheusReaderOptions = {}) {
  const setup = setUp(options);
  const gates: (() => void)[] = [];
  setup.meter.createObservableGauge("slow").addCallback((result) => {
    const read = gates.length;
    return new Promise<void>((resolve) => gates.push(resolve)).then(() => result.observe(read));
  });
  /** Lets the reading of this number end as soon as it has begun. */
  const release = async (read: number): Promise<void> => {
    while (gates[read] === undefined) await new Promise((resolve) => setImmediate(resolve));
    gates[read]();
  };
  return { ...setup, release };
}

describe("pages asked for together", () => {
  it("are one rendering where they are the same, and of one snapshot where they are not", async () => {
    const { reader, release } = withSlowSource();
    const first = reader.render();
    const same = [reader.render(), reader.render({ accept: "*/*" })];
    const other = reader.render({ accept: openMetrics });
    const packed = reader.render({ acceptEncoding: "gzip" });
    await release(0);
    await release(1);
    const [one, two] = await Promise.all(same);
    expect(one?.chunks).toBe(two?.chunks);
    expect((await first).chunks).not.toBe(one?.chunks);
    const value = async (page: typeof other, format: "text" | "openmetrics") =>
      readPage((await page).body, format)
        .get("slow")
        ?.samples.get("slow{}");
    expect(await value(first, "text")).toBe(0);
    expect(await value(Promise.resolve(one as never), "text")).toBe(1);
    expect(await value(other, "openmetrics")).toBe(1);
    expect((await packed).contentEncoding).toBe("gzip");
  });

  it("keep their bytes for each who has not released them, whatever is rendered meanwhile", async () => {
    const { reader, meter } = setUp();
    const counter = meter.createCounter("c");
    const record = (value: number): void => {
      for (let series = 0; series < 1900; series++) counter.add(value, { series });
    };
    record(1);
    // The first is of a collection that has begun; the others share the next.
    const [, left, kept] = await Promise.all([reader.render(), reader.render(), reader.render()]);
    expect(left.chunks).toBe(kept.chunks);
    const bytes = Buffer.from(kept.body);
    left.release();
    left.release();
    for (let round = 0; round < 3; round++) {
      record(7);
      (await reader.render()).release();
      expect(bytes.equals(kept.body)).toBe(true);
    }
    // Then its memory serves for the next one.
    kept.release();
    await new Promise((resolve) => setImmediate(resolve));
    const memory = new Set(kept.chunks.map(({ buffer }) => buffer));
    expect((await reader.render()).chunks.some(({ buffer }) => memory.has(buffer))).toBe(true);
  });

  it("are turned away beyond the limit, those apart that are shared", async () => {
    const { reader, release } = withSlowSource({ maxRenderings: 2 });
    const first = reader.render();
    const second = reader.render();
    const shared = reader.render();
    await expect(reader.render({ accept: openMetrics })).rejects.toMatchObject({ code: "too_busy" });
    await release(0);
    await release(1);
    await Promise.all([first, second, shared]);
    const later = reader.render({ accept: openMetrics });
    await release(2);
    expect((await later).format).toBe("openmetrics");
  });

  it("fail together, and the next ones are fine", async () => {
    const { reader, meter } = setUp();
    let broken = true;
    meter.createObservableGauge("g").addCallback((result) => {
      if (broken) throw new Error("no device");
      result.observe(1);
    });
    const failing = [reader.render(), reader.render(), reader.render()];
    for (const page of failing) await expect(page).rejects.toMatchObject({ code: "collection_failed" });
    broken = false;
    expect((await reader.render()).size).toBeGreaterThan(0);
  });
});

describe("a page that is late", () => {
  it("is given up when its reader has gone, not when another's has", async () => {
    const clock = createVirtualClock();
    const { reader, release } = withSlowSource({ clock });
    const patient = reader.render();
    const hasty = reader.render({ timeoutMs: 1000 });
    const failing = expect(hasty).rejects.toMatchObject({ code: "too_late" });
    await clock.advance(1000);
    await failing;
    await release(0);
    await release(1);
    expect((await patient).size).toBeGreaterThan(0);
  });

  it("is whole for a patient reader although an impatient one ran out of time before", async () => {
    const clock = createVirtualClock();
    const { reader, meter } = setUpOn(clock);
    meter.createCounter("fine").add(1);
    meter.createObservableGauge("slow").addCallback(async (result) => {
      await sleep(900, { clock });
      result.observe(1);
    });
    const impatient = reader.render({ timeoutMs: 500 });
    await clock.advance(50);
    const patient = reader.render({ timeoutMs: 10_000 });
    await clock.advance(5_000);
    expect([...readPage((await impatient).body, "text").keys()]).toEqual(["fine_total"]);
    expect([...readPage((await patient).body, "text").keys()]).toEqual(["fine_total", "slow"]);
  });

  it("waits once only for what never ends", async () => {
    const clock = createVirtualClock();
    const { reader, meter } = setUpOn(clock);
    meter.createCounter("fine").add(1);
    meter.createObservableGauge("stuck").addCallback(() => new Promise<void>(() => {}));
    for (const waitMs of [8_000, 8_000, 0, 0]) {
      const before = clock.monotonic();
      const page = reader.render();
      await clock.advance(waitMs);
      expect([...readPage((await page).body, "text").keys()]).toEqual(["fine_total"]);
      expect(clock.monotonic() - before).toBe(waitMs);
    }
  });

  it("lacks what its reader has no time for", async () => {
    const errors: unknown[] = [];
    const { reader, meter } = setUp({ onError: (error) => errors.push(error) });
    meter.createCounter("fine").add(1);
    meter.createObservableGauge("stuck").addCallback(() => new Promise<void>(() => {}));
    const server = await startMetricsServer(reader);
    cleanUps.push(() => server.close());
    const headers = { "x-prometheus-scrape-timeout-seconds": "0.5" };
    const answer = await fetch(`${server.url}/metrics`, { headers });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain("fine_total 1");
    expect(errors).toHaveLength(1);
  });
});

describe("the endpoint", () => {
  it("answers 503 with Retry-After when too much is asked of it", async () => {
    const { reader, release } = withSlowSource({ maxRenderings: 1 });
    const server = await startMetricsServer(reader);
    cleanUps.push(() => server.close());
    const first = fetch(`${server.url}/metrics`);
    const refused = await fetch(`${server.url}/metrics`, { headers: { accept: openMetrics } });
    const statuses = [refused.status, refused.headers.get("retry-after")];
    expect(await refused.text()).toContain("too_busy");
    await release(0);
    expect(await (await first).text()).toContain("slow 0");
    expect(statuses).toEqual([503, "1"]);
  });

  it("shows the families that name[] lists", async () => {
    const { reader, meter } = setUp();
    for (const name of ["a", "b", "c"]) meter.createCounter(name).add(1);
    const server = await startMetricsServer(reader);
    cleanUps.push(() => server.close());
    const page = await (await fetch(`${server.url}/metrics?name[]=a_total&x=1&name%5B%5D=c_total`)).text();
    expect([...readPage(page, "text").keys()]).toEqual(["a_total", "c_total"]);
  });
});
