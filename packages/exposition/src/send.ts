import type { IncomingMessage, ServerResponse } from "node:http";

export const plain = "text/plain; charset=utf-8";

/** Headers and body in one piece; a client that is gone by now gets nothing. */
export function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  if (response.destroyed || response.headersSent) return;
  const bytes = Buffer.from(body);
  response.writeHead(status, { "content-type": contentType, "content-length": bytes.byteLength });
  response.end(bytes);
}

/** Answers 405 where the method is neither GET nor HEAD, and says whether it has. */
export function refuseMethod(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method === "GET" || request.method === "HEAD") return false;
  if (!response.headersSent) response.setHeader("allow", "GET, HEAD");
  send(response, 405, plain, "only GET and HEAD are answered\n");
  return true;
}
