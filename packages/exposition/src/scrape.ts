import type { IncomingMessage, ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describeError, type Clock, type Logger } from "@almanac/core";
import { ExpositionError } from "./error.ts";
import type { PrometheusReader } from "./reader.ts";
import type { RenderedPage } from "./rendering.ts";
import { plain, send } from "./send.ts";
import type { Format } from "./write.ts";

/** One page served. */
export interface Scrape {
  readonly format: Format;
  /** From the request to the last byte handed to the operating system. */
  readonly durationSeconds: number;
  /** Size of the page before compression. */
  readonly bytes: number;
}

export interface ScrapeOptions {
  readonly onScrape: ((scrape: Scrape) => void) | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** What a scraper needs of its time to receive the page, at most. */
const transferMs = 500;

/**
 * Answers a GET or HEAD request for metrics: 200 with the page, 503 with `Retry-After` when it cannot be had now, 500 when nothing could be collected.
 * Understands `?name[]=` and `X-Prometheus-Scrape-Timeout-Seconds`.
 */
export async function answerScrape(
  reader: PrometheusReader,
  request: IncomingMessage,
  response: ServerResponse,
  { onScrape, logger, clock }: ScrapeOptions,
): Promise<void> {
  const startedAt = clock.monotonic();
  let page: RenderedPage;
  try {
    page = await reader.render({
      accept: request.headers.accept,
      acceptEncoding: request.headers["accept-encoding"]?.toString(),
      names: wantedNames(request.url),
      timeoutMs: patience(request.headers["x-prometheus-scrape-timeout-seconds"]),
    });
  } catch (thrown) {
    const error = describeError(thrown);
    if (thrown instanceof ExpositionError && (thrown.code === "too_busy" || thrown.code === "too_late")) {
      logger.warn("a scrape was turned away", { error });
      response.setHeader("retry-after", "1");
      return send(response, 503, plain, `${error}\n`);
    }
    logger.error("no metrics could be collected", { error });
    return send(response, 500, plain, `no metrics could be collected: ${error}\n`);
  }
  if (response.destroyed || response.headersSent) {
    page.release();
    return;
  }
  if (page.contentEncoding !== undefined) response.setHeader("content-encoding", page.contentEncoding);
  const length = page.chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  response.writeHead(200, {
    "content-type": page.contentType,
    "content-length": length,
    vary: "Accept, Accept-Encoding",
  });
  if (request.method === "HEAD") {
    page.release();
    response.end();
    return;
  }
  // Of an answer that is cut off the operating system may still hold a piece; its memory is left to the collector of garbage.
  response.once("finish", () => {
    page.release();
    const durationSeconds = (clock.monotonic() - startedAt) / 1000;
    onScrape?.({ format: page.format, durationSeconds, bytes: page.size });
  });
  await sendChunks(response, page.chunks);
}

/** Hands out a piece when the one before is on its way, so that a slow reader holds nothing but the page, which others may share. */
async function sendChunks(response: ServerResponse, chunks: readonly Uint8Array[]): Promise<void> {
  if (chunks.length <= 1) {
    response.end(chunks[0]);
    return;
  }
  for (const chunk of chunks) {
    if (response.destroyed) return;
    const taken = response.write(chunk);
    if (!taken) await drained(response);
    // A socket that is never full would otherwise get the whole page in one turn of the event loop.
    await nextTurn();
  }
  if (!response.destroyed) response.end();
}

/** Until the response can take more, or has been cut off. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
    if (response.destroyed) done();
  });
}

function wantedNames(url: string | undefined): string[] {
  const query = url?.split("?", 2)[1];
  if (query === undefined) return [];
  return [...new Set(new URLSearchParams(query).getAll("name[]"))].filter((name) => name !== "");
}

/** How long the scraper waits for the page to begin. What is no time, or too short for any page, counts for nothing. */
function patience(header: string | string[] | undefined): number | undefined {
  const timeoutMs = Number(header) * 1000;
  if (!(timeoutMs > 0 && timeoutMs < 2 ** 31)) return undefined;
  return timeoutMs - Math.min(transferMs, timeoutMs / 10);
}
