import { once } from "node:events";
import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { OTLPExporterError } from "@opentelemetry/otlp-exporter-base";
import type { convertLegacyHttpOptions } from "@opentelemetry/otlp-exporter-base/node-http";

/** The official exporters'. */
export type HttpConfiguration = ReturnType<typeof convertLegacyHttpOptions>;

/** As much of an answer is read as the official transport reads. */
const longestAnswerBytes = 4_194_304;

/** A receiver answered with a status that is no success. */
export class HttpAnswerError extends OTLPExporterError {
  /** When to come again, if it said so. */
  readonly retryAfterMs: number | undefined;

  constructor({ statusMessage, statusCode, headers }: IncomingMessage, body: string) {
    super(statusMessage || `status ${statusCode}`, statusCode, body);
    this.retryAfterMs = readRetryAfterMs(headers["retry-after"]);
  }
}

/**
 * One request with a message, and the body of the answer. Unlike the official transport it can be cancelled and does not try again.
 *
 * @throws HttpAnswerError; the signal's reason; what the network says.
 */
export async function post(
  { url, headers, compression, agentFactory, userAgent }: HttpConfiguration,
  message: Uint8Array,
  signal: AbortSignal,
): Promise<Buffer> {
  const target = new URL(url);
  const agent = await agentFactory(target.protocol);
  const packed = compression === "gzip";
  const body = packed ? await promisify(gzip)(message) : message;
  const allHeaders = {
    ...(await headers()),
    "User-Agent": `${userAgent ? `${userAgent} ` : ""}almanac-otlp`,
    ...(packed && { "Content-Encoding": "gzip" }),
    "Content-Length": String(body.byteLength),
  };
  signal.throwIfAborted();
  const send = target.protocol === "http:" ? requestHttp : requestHttps;
  const request = send(target, { method: "POST", headers: allHeaders, agent });
  const onAbort = (): void => void request.destroy(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    // An error may still come when nobody waits for one any more.
    request.on("error", () => undefined);
    const answered = once(request, "response");
    request.end(body);
    const [response] = (await answered) as [IncomingMessage];
    const answer = await readAnswer(response);
    const { statusCode = 0 } = response;
    if (statusCode < 200 || statusCode > 299) throw new HttpAnswerError(response, answer.toString());
    return answer;
  } catch (thrown) {
    request.destroy();
    throw thrown;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function readAnswer(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > longestAnswerBytes) throw new Error(`the answer is longer than ${longestAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Seconds or a date (RFC 9110, 10.2.3). */
function readRetryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const waitMs = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(waitMs) ? undefined : Math.max(waitMs, 0);
}
