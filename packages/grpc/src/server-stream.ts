import type { ServerHttp2Stream } from "node:http2";
import type { ServerInterceptingCallInterface } from "@grpc/grpc-js";
import { grpcCodeName } from "./grpc-code.ts";
import type { GrpcCode } from "@almanac/catalog";

/*
 * grpc-js ends some calls below the interceptors: at the deadline, over a message too large or one it cannot read or write. All an
 * interceptor hears is "cancelled". The status that went out stands in the HTTP/2 stream, which grpc-js keeps in a private field; it
 * is only read here, and without it every such call counts as cancelled or past its deadline.
 */

/** The status the server has sent for this call; undefined while none, or when the stream is out of reach. */
export function sentStatus(call: ServerInterceptingCallInterface): { code: GrpcCode; details: string } | undefined {
  const stream = streamOf(call);
  for (const headers of [stream?.sentTrailers, stream?.sentHeaders]) {
    const code = headers?.["grpc-status"];
    if (code === undefined) continue;
    const message = headers?.["grpc-message"];
    return { code: grpcCodeName(Number(code)), details: typeof message === "string" ? decode(message) : "" };
  }
  return undefined;
}

/** False when a status given now would not go out: the stream is gone, or grpc-js has ended it with another status. */
export function canAnswer(call: ServerInterceptingCallInterface): boolean {
  const stream = streamOf(call);
  return stream === undefined || !(stream.destroyed || stream.closed || stream.writableEnded);
}

function streamOf(call: unknown): ServerHttp2Stream | undefined {
  let current = call;
  // Calls of interceptors stand around grpc-js' own; the depth only guards against a cycle.
  for (let depth = 0; depth < 32 && typeof current === "object" && current !== null; depth++) {
    if ("stream" in current) return isStream(current.stream) ? current.stream : undefined;
    current = "nextCall" in current ? current.nextCall : undefined;
  }
  return undefined;
}

function isStream(value: unknown): value is ServerHttp2Stream {
  return typeof value === "object" && value !== null && "sentHeaders" in value && "closed" in value;
}

function decode(message: string): string {
  try {
    return decodeURI(message);
  } catch {
    return message;
  }
}
