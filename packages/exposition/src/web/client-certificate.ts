import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import type { ClientAuth } from "./tls-settings.ts";

/** Whether a client's certificate, or the lack of one, is what the settings ask for. */
export function isWelcome(socket: TLSSocket, { require, verify, allowedSans }: ClientAuth): boolean {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return !require;
  if (verify && !socket.authorized) return false;
  return (
    allowedSans === undefined ||
    parseSubjectAltName(certificate.subjectAltName ?? "").some((san) => allowedSans.includes(san))
  );
}

const kinds = ["DNS", "URI", "email", "IP Address"];

/**
 * Names out of Node's text, e.g. `DNS:a, URI:spiffe://b, IP Address:127.0.0.1`. Names with characters that could pass for a separator come
 * as JSON strings there; whatever does not parse to the end yields nothing at all.
 */
export function parseSubjectAltName(text: string): string[] {
  const names: string[] = [];
  const entry = /([A-Za-z0-9 ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;
  while (entry.lastIndex < text.length) {
    const [, kind, value = ""] = entry.exec(text) ?? [];
    if (kind === undefined) return [];
    if (!kinds.includes(kind)) continue;
    const name = value.startsWith('"') ? (JSON.parse(value) as string) : value;
    if (kind !== "IP Address" || isIP(name) !== 0) names.push(name);
  }
  return names;
}
