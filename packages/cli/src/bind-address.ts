import { CliError } from "./error.ts";

/** `HOST:PORT`, `:PORT` (all interfaces) or `[IPV6]:PORT`. Throws a usage error naming `flag`. */
export function parseBindAddress(text: string, flag: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new CliError("usage", `${flag}: "${text}" is no address; give HOST:PORT, e.g. 127.0.0.1:8080 or :8080`);
  }
  return { host: match[1] ?? (match[2] || "0.0.0.0"), port };
}
