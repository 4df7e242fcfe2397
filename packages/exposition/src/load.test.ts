import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { createMeterProvider } from "@almanac/metrics";
import { describe, expect, it } from "vitest";
import {
  bounds,
  checkPage,
  formats,
  roundValues,
  type ScrapersReport,
  type ScrapersSettings,
} from "./load.test.helper.ts";
import { createPrometheusReader } from "./reader.ts";
import { startMetricsServer } from "./server.ts";

const scrapers = 200;
const smallSeries = 100;
/** Enough for a page that does not fit into the operating system's buffers, some 4 MB. */
const largeSeries = 2_500;
const mebibyte = 2 ** 20;
const maxRenderings = 4;
/** What the reader keeps for its next pages at most. */
const keptBytes = 32 * mebibyte;
/** Garbage not collected yet, connections, compiled code. */
const slackBytes = 24 * mebibyte;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes held on the heap and beside it, of this thread. */
function held(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** After what is waiting to be closed has been. */
async function heldAfterCollection(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
  return held();
}

/** Asks for a page and reads nothing until told to. */
function openSlowReader(port: number) {
  const socket: Socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk)).pause();
  socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  return async (): Promise<Buffer> => {
    socket.resume();
    await once(socket, "end");
    socket.destroy();
    const answer = Buffer.concat(chunks);
    return answer.subarray(answer.indexOf("\r\n\r\n") + 4);
  };
}

describe("an endpoint under load", () => {
  it("gives 200 scrapers and two slow ones whole pages of one moment each, in bounded memory", async () => {
    const reader = createPrometheusReader({ maxRenderings });
    await using server = await startMetricsServer(reader, { maxConnections: scrapers + 10, responseTimeoutMs: 60_000 });
    const provider = createMeterProvider({
      readers: [reader],
      views: [{ instrumentName: "*", aggregationCardinalityLimit: 10_000 }],
    });
    const meter = provider.getMeter("load");
    const rounds = meter.createCounter("rounds_total");
    const histograms = [
      { name: "small_seconds", series: smallSeries },
      { name: "large_seconds", series: largeSeries },
    ].flatMap(({ name, series }) => {
      const histogram = meter.createHistogram(name, { advice: { explicitBucketBoundaries: bounds } });
      return Array.from({ length: series }, (_, k) => histogram.bind({ k: `${k}`.padEnd(400, "-") }));
    });
    const record = (): void => {
      rounds.add(1);
      for (const histogram of histograms) for (const value of roundValues) histogram.record(value);
    };
    record();
    (await reader.render()).release();
    const before = await heldAfterCollection();

    let recordedRounds = 0;
    let recording = true;
    let peak = 0;
    const recorded = (async () => {
      while (recording) {
        record();
        recordedRounds++;
        peak = Math.max(peak, held());
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const slow = [openSlowReader(server.port), openSlowReader(server.port)];
    // Has the same page as one of them, and is through with it at once: its memory must stay theirs.
    const quick = [openSlowReader(server.port), openSlowReader(server.port)].map((read) => read());
    const worker = new Worker(new URL("./load.test.helper.ts", import.meta.url), {
      execArgv: ["-C", "source"],
      workerData: { port: server.port, scrapers } satisfies ScrapersSettings,
    });
    const [report] = (await once(worker, "message").finally(() => {
      recording = false;
      return recorded;
    })) as [ScrapersReport];
    const during = await heldAfterCollection();
    const pages = await Promise.all(slow.splice(0).map((read) => read()));
    const bytes = Math.max(...pages.map(({ byteLength }) => byteLength));
    for (const page of [...pages.splice(0), ...(await Promise.all(quick))])
      expect(checkPage(page, "text")).toBe(smallSeries + largeSeries);
    const after = await heldAfterCollection();

    expect(report.pages).toBe(scrapers);
    expect(Object.keys(report.distinct)).toHaveLength(2 * formats.length);
    expect(report.refused).toBeGreaterThan(0);
    expect(recordedRounds).toBeGreaterThan(10);
    // Each page being rendered, and one for each slow reader.
    expect(peak - before).toBeLessThan(keptBytes + (maxRenderings + 2) * bytes + slackBytes);
    expect(during - before).toBeLessThan(keptBytes + 2 * bytes + slackBytes);
    expect(after - before).toBeLessThan(keptBytes + slackBytes);
  }, 90_000);
});
