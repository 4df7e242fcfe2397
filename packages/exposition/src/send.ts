import type { ServerResponse } from "node:http";

export const plain = "text/plain; charset=utf-8";

/** Headers and body in one piece; a client that is gone by now gets nothing. */
export function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  if (response.destroyed || response.headersSent) return;
  const bytes = Buffer.from(body);
  response.writeHead(status, { "content-type": contentType, "content-length": bytes.byteLength });
  response.end(bytes);
}
