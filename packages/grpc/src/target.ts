/** Host and port of a channel target (`dns:host:1`, `dns:///host:1`, `unix:/path`) or an authority (`host:1`, `[::1]:1`). */
export function parseTarget(target: string): { readonly host: string; readonly port: number | undefined } {
  const socket = /^unix(?:-abstract)?:(?:\/\/(?=\/))?(?<path>.+)$/.exec(target)?.groups?.["path"];
  if (socket !== undefined) return { host: socket, port: undefined };
  const path = target.replace(/^(?:dns|ipv4|ipv6):(?:\/\/[^/]*\/)?/, "");
  const match = /^(?:\[(?<ipv6>[^\]]+)\]|(?<host>[^:]+))(?::(?<port>\d{1,5}))?$/.exec(path);
  const port = match?.groups?.["port"];
  return {
    host: match?.groups?.["ipv6"] ?? match?.groups?.["host"] ?? path,
    port: port === undefined ? undefined : Number(port),
  };
}
