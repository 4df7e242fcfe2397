/** One subject and encoding, in a process of its own: `child.ts SUBJECT ENCODING PAIRS`, or `child.ts block PAIRS`. Prints a line of JSON. */
import { Worker } from "node:worker_threads";
import { createMeterProvider } from "@almanac/metrics";
import { createOtlpMetricExporter } from "@almanac/telemetry";
import { ROOT_CONTEXT } from "@opentelemetry/api";
import { PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { median } from "../result.ts";
import { openSubject, recorder, type Encoding, type SubjectName } from "./subjects.ts";

/** What one process measured. */
export interface Measured {
  /** The first message, when nothing is known of the series. */
  readonly firstMs: number;
  /** The median of those that follow. */
  readonly steadyMs: number;
  readonly bytes: number;
}

/** The longest gap between two turns of the event loop while everything is collected and exported over HTTP. */
export interface MeasuredBlock {
  readonly blockMs: number;
}

const rounds = 15;
const warmUps = 5;

/** Takes everything and says how much it was. */
const receiverCode = `
const { parentPort } = require("node:worker_threads");
const server = require("node:http").createServer((request, response) => {
  let bytes = 0;
  request.on("data", (chunk) => (bytes += chunk.length)).on("end", () => {
    parentPort.postMessage(bytes);
    response.end();
  });
});
server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));`;

const [name, ...rest] = process.argv.slice(2);
if (name === "block") console.log(JSON.stringify(await measureBlock(Number(rest[0]))));
else console.log(JSON.stringify(await measureEncoding(name as SubjectName, rest[0] as Encoding, Number(rest[1]))));

async function measureEncoding(subjectName: SubjectName, encoding: Encoding, pairs: number): Promise<Measured> {
  const subject = openSubject(subjectName, encoding, pairs);
  const times: number[] = [];
  let bytes: Uint8Array = new Uint8Array();
  for (let round = 0; round < 1 + warmUps + rounds; round++) {
    subject.change(round);
    const metrics = await subject.collect();
    // The official shape is made when it is looked at, which must not count as encoding.
    if (subjectName === "official") metrics.scopeMetrics.forEach((scope) => scope.metrics);
    const started = performance.now();
    bytes = subject.encode(metrics) ?? bytes;
    times.push(performance.now() - started);
  }
  const found = encoding === "json" ? countJsonPoints(bytes) : countPoints(bytes, [1, 2, 2, [7, 9], 1]);
  if (found !== pairs * 2) throw new Error(`${subjectName} wrote ${found} points instead of ${pairs * 2}`);
  const [firstMs = NaN, ...others] = times;
  return { firstMs, steadyMs: median(others.slice(warmUps)), bytes: bytes.byteLength };
}

async function measureBlock(pairs: number): Promise<MeasuredBlock> {
  const receiver = new Worker(receiverCode, { eval: true });
  try {
    const port = await new Promise<number>((resolve) => receiver.once("message", resolve));
    const exporter = createOtlpMetricExporter({
      url: `http://127.0.0.1:${port}/v1/metrics`,
      protocol: "http/protobuf",
    });
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const views = [{ instrumentName: "*", aggregationCardinalityLimit: 300_000 }];
    const provider = createMeterProvider({ readers: [reader], views });
    const change = recorder(provider, pairs, ROOT_CONTEXT);
    const gaps: number[] = [];
    for (let round = -warmUps; round < rounds; round++) {
      change(round + warmUps);
      let received = 0;
      const count = (bytes: number): void => void (received += bytes);
      receiver.on("message", count);
      const gap = await longestGap(() => provider.forceFlush());
      receiver.off("message", count);
      if (received < pairs * 400) throw new Error(`only ${received} bytes arrived`);
      if (round >= 0) gaps.push(gap);
    }
    return { blockMs: median(gaps) };
  } finally {
    await receiver.terminate();
  }
}

async function longestGap(run: () => Promise<void>): Promise<number> {
  let last = performance.now();
  let longest = 0;
  let running = true;
  const probe = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setImmediate(probe);
  };
  setImmediate(probe);
  await run();
  running = false;
  return longest;
}

/** Points in a message: fields of these numbers, one inside the other. */
function countPoints(bytes: Uint8Array, path: readonly (number | readonly number[])[]): number {
  const [field, ...inner] = path;
  let at = 0;
  let found = 0;
  const varint = (): number => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.byteLength) {
    const tag = varint();
    const type = tag % 8;
    const value = type === 0 || type === 2 ? varint() : 0;
    const length = type === 2 ? value : type === 1 ? 8 : type === 5 ? 4 : 0;
    if ([field].flat().includes((tag - type) / 8) && type === 2) {
      found += inner.length === 0 ? 1 : countPoints(bytes.subarray(at, at + length), inner);
    }
    at += length;
  }
  return found;
}

interface JsonRequest {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly JsonMetric[] }[];
  }[];
}

interface JsonMetric {
  readonly sum?: { readonly dataPoints: readonly unknown[] };
  readonly histogram?: { readonly dataPoints: readonly unknown[] };
}

function countJsonPoints(bytes: Uint8Array): number {
  const { resourceMetrics } = JSON.parse(Buffer.from(bytes).toString()) as JsonRequest;
  return resourceMetrics
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
    .reduce((sum, metric) => sum + (metric.sum ?? metric.histogram)!.dataPoints.length, 0);
}
