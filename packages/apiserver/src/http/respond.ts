import type { ServerResponse } from "node:http";
import type { Json } from "../schema/index.ts";
import type { StatusError } from "../status.ts";
import { stringify } from "yaml";

/** Sends a value as a complete answer. */
export function send(response: ServerResponse, status: number, value: Json, format: "json" | "yaml" = "json"): void {
  sendJson(response, status, JSON.stringify(value), format);
}

/** Sends JSON text as a complete answer. */
export function sendJson(
  response: ServerResponse,
  status: number,
  json: string,
  format: "json" | "yaml" = "json",
): void {
  const text = format === "yaml" ? stringify(JSON.parse(json)) : `${json}\n`;
  response.writeHead(status, {
    "content-type": format === "yaml" ? "application/yaml" : "application/json",
    "cache-control": "no-cache, private",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

export function sendStatus(response: ServerResponse, error: StatusError): void {
  if (error.details?.retryAfterSeconds !== undefined)
    response.setHeader("retry-after", error.details.retryAfterSeconds);
  send(response, error.status, error.toStatus());
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

/** Adds a warning for people in front of a client, as kubectl prints it. */
export function addWarning(response: ServerResponse, text: string): void {
  const quoted = text.replaceAll(/["\\]/g, "\\$&").replaceAll(/[\r\n]+/g, " ");
  response.appendHeader("warning", `299 - "${quoted}"`);
}

/** Writes the pieces of a long answer, waiting when the client is slow. Stops quietly when it has gone. */
export async function sendPieces(
  response: ServerResponse,
  pieces: Iterable<string>,
  contentType: string,
): Promise<void> {
  response.writeHead(200, { "content-type": contentType, "cache-control": "no-cache, private" });
  let chunk = "";
  for (const piece of pieces) {
    chunk += piece;
    if (chunk.length < 1 << 18) continue;
    if (response.destroyed) return;
    if (!response.write(chunk)) await drained(response);
    chunk = "";
  }
  response.end(chunk);
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}
