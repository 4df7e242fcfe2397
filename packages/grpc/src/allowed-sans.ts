import { ResponderBuilder, ServerInterceptingCall, ServerListenerBuilder, status } from "@grpc/grpc-js";
import type { ServerInterceptingCallInterface, ServerInterceptor } from "@grpc/grpc-js";
import { GrpcError } from "./grpc-error.ts";

/**
 * Refuses calls of clients whose certificate carries none of `allowed` as DNS name or URI (exact, case and all). The connection
 * stays: the refused client learns why from the status (PERMISSION_DENIED; UNAUTHENTICATED without certificate).
 */
export function createSanInterceptor(allowed: readonly string[]): ServerInterceptor {
  if (allowed.length === 0 || allowed.includes("")) {
    throw new GrpcError(
      "invalid_options",
      "allowedSans must name at least one client, and no empty name; leave it out to let every client in",
    );
  }
  const names = new Set(allowed);
  return (_method, call) => {
    const responder = new ResponderBuilder()
      .withStart((next) => {
        const listener = new ServerListenerBuilder()
          .withOnReceiveMetadata((metadata, nextMetadata) => {
            const refusal = refuse(call, names);
            if (refusal === undefined) nextMetadata(metadata);
            else call.sendStatus(refusal);
          })
          .build();
        next(listener);
      })
      .build();
    return new ServerInterceptingCall(call, responder);
  };
}

function refuse(
  call: ServerInterceptingCallInterface,
  allowed: ReadonlySet<string>,
): { code: status; details: string } | undefined {
  const certificate = call.getAuthContext().sslPeerCertificate;
  if (certificate === undefined)
    return { code: status.UNAUTHENTICATED, details: "this server asks for a client certificate" };
  const sans = parseSubjectAltName(certificate.subjectaltname ?? "");
  if (sans.some((san) => allowed.has(san))) return undefined;
  const shown = sans.length === 0 ? "which carries no DNS name and no URI" : sans.slice(0, 5).join(", ");
  return {
    code: status.PERMISSION_DENIED,
    details: `the client certificate (${shown}) is not in this server's list of allowed clients`,
  };
}

/**
 * DNS names and URIs out of Node's `subjectaltname` text: `DNS:a, URI:spiffe://b, IP Address:127.0.0.1`. Names with characters that
 * could pass for a separator come as JSON strings there; whatever does not parse to the end yields nothing at all.
 */
export function parseSubjectAltName(text: string): string[] {
  const names: string[] = [];
  const entry = /([A-Za-z0-9 ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;
  while (entry.lastIndex < text.length) {
    const [, kind, value = ""] = entry.exec(text) ?? [];
    if (kind === undefined) return [];
    if (kind !== "DNS" && kind !== "URI") continue;
    const name = value.startsWith('"') ? unquote(value) : value;
    if (name === undefined) return [];
    names.push(name);
  }
  return names;
}

function unquote(value: string): string | undefined {
  try {
    return JSON.parse(value) as string;
  } catch {
    return undefined;
  }
}
