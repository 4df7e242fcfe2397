/** The thread of the scrapers in `load.test.ts`, so that the memory of the other one is the endpoint's alone. */
import { createHash } from "node:crypto";
import { get, type IncomingMessage } from "node:http";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { gunzipSync } from "node:zlib";
import type { PageFormat, ParsedSample } from "./parse/model.ts";
import { parsePage } from "./parse/page.ts";

export interface ScrapersSettings {
  readonly port: number;
  readonly scrapers: number;
}

export interface ScrapersReport {
  /** Pages received. */
  readonly pages: number;
  /** Different ones of them, by the kind that was asked for. All have been parsed and checked. */
  readonly distinct: Readonly<Record<string, number>>;
  /** Answers 503; each came with a `Retry-After`. */
  readonly refused: number;
}

/** What is recorded in one round into each histogram, by bucket; exact in binary, so that sums can be compared. */
export const roundValues = [0.5, 1.5, 1.5, 2.5, 4];
export const bounds = [1, 2, 3];
const bucketValues = [0.5, 1.5, 2.5, 4];
const bucketShares = [1, 2, 1, 1];

/** Accept headers, and what they get. */
export const formats: readonly (readonly [accept: string, format: PageFormat])[] = [
  ["text/plain;version=0.0.4", "text"],
  ["text/plain;version=1.0.0", "text-1.0.0"],
  ["application/openmetrics-text;version=1.0.0", "openmetrics"],
  ["application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "protobuf"],
];

/**
 * Throws unless the page is whole and of one moment: all histograms have seen the same number of rounds, and so have their sums and the
 * counter. Returns the number of histogram series.
 */
export function checkPage(page: Uint8Array, format: PageFormat): number {
  const families = parsePage(page, format);
  const rounds = new Set<number>();
  let series = 0;
  for (const { name, type, samples } of families.values()) {
    if (type === "histogram") {
      for (const one of Map.groupBy(samples, ({ labels }) => labels.get("k")).values()) {
        rounds.add(roundsOf(one));
        series++;
      }
    } else {
      for (const { value } of samples) rounds.add(value);
    }
    if (samples.length === 0) throw new Error(`${name} has no samples`);
  }
  if (rounds.size !== 1) throw new Error(`a page shows ${[...rounds].sort().join(", ")} rounds at once`);
  return series;
}

/** How many rounds one histogram's samples show. */
function roundsOf(samples: readonly ParsedSample[]): number {
  const value = (suffix: string): number => samples.find(({ name }) => name.endsWith(suffix))?.value ?? NaN;
  const buckets = samples.filter(({ name }) => name.endsWith("_bucket")).map((sample) => sample.value);
  const counts = buckets.map((count, index) => count - (buckets[index - 1] ?? 0));
  const shown = counts.map((count, index) => count / (bucketShares[index] ?? NaN));
  const sum = counts.reduce((total, count, index) => total + count * (bucketValues[index] ?? NaN), 0);
  const [first = NaN] = shown;
  const whole =
    counts.length === bucketShares.length &&
    shown.every((rounds) => rounds === first) &&
    buckets.at(-1) === value("_count") &&
    sum === value("_sum");
  if (!whole) throw new Error(`a histogram is torn: ${JSON.stringify({ buckets, sum: value("_sum") })}`);
  return first;
}

async function scrape({ port, scrapers }: ScrapersSettings): Promise<ScrapersReport> {
  const distinct = new Map<string, { readonly page: Uint8Array; readonly format: PageFormat }>();
  let refused = 0;
  await Promise.all(
    Array.from({ length: scrapers }, async (_, index) => {
      const [accept = "", format = "text"] = formats[index % formats.length] ?? [];
      const packed = Math.floor(index / formats.length) % 2 === 1;
      // A few, of all formats, ask for everything.
      const path = index % 41 === 0 ? "/metrics" : "/metrics?name[]=small_seconds&name[]=rounds_total";
      const headers = { accept, "accept-encoding": packed ? "gzip" : "identity" };
      for (;;) {
        const { status, retryAfter, encoding, body } = await request(port, path, headers);
        if (status === 503) {
          if (retryAfter !== "1") throw new Error(`503 with Retry-After: ${retryAfter}`);
          refused++;
          await new Promise((resolve) => setTimeout(resolve, 20));
          continue;
        }
        if (status !== 200 || encoding !== (packed ? "gzip" : undefined)) throw new Error(`${status}, ${encoding}`);
        const page = packed ? gunzipSync(body) : body;
        distinct.set(`${format}${packed ? " gzip" : ""} ${createHash("sha1").update(page).digest("hex")}`, {
          page,
          format,
        });
        return;
      }
    }),
  );
  for (const { page, format } of distinct.values()) checkPage(page, format);
  const kinds = Map.groupBy(distinct.keys(), (key) => key.replace(/ [0-9a-f]+$/, ""));
  return {
    pages: scrapers,
    refused,
    distinct: Object.fromEntries([...kinds].map(([kind, keys]) => [kind, keys.length])),
  };
}

interface Answer {
  readonly status: number | undefined;
  readonly retryAfter: string | undefined;
  readonly encoding: string | undefined;
  readonly body: Buffer;
}

function request(port: number, path: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = get({ host: "127.0.0.1", port, path, headers, agent: false }, (answer: IncomingMessage) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", reject);
      answer.on("end", () =>
        resolve({
          status: answer.statusCode,
          retryAfter: answer.headers["retry-after"],
          encoding: answer.headers["content-encoding"],
          body: Buffer.concat(chunks),
        }),
      );
    });
    outgoing.on("error", reject);
  });
}

if (!isMainThread && workerData !== null && typeof workerData === "object" && "scrapers" in workerData) {
  parentPort?.postMessage(await scrape(workerData as ScrapersSettings));
}
