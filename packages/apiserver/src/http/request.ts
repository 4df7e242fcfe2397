import type { IncomingMessage, ServerResponse } from "node:http";
import type { ServerContext } from "../rest/context.ts";
import type { WatchHub } from "./watch-hub.ts";

/** Limits that handlers keep. */
export interface HandlerLimits {
  readonly bodyLimitBytes: number;
  readonly watchBufferBytes: number;
}

/** One request on its way through the handlers. */
export interface Exchange {
  readonly context: ServerContext;
  readonly limits: HandlerLimits;
  readonly hub: WatchHub;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Filled in by the handlers for the request's record. */
  readonly labels: { verb: string; resource: string };
}
