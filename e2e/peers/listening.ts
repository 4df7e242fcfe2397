import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** State of a listening socket in the kernel's table. */
const listenState = "0A";

/**
 * Whether process `pid` listens on TCP `port`, as the kernel's tables say; undefined where they cannot be read (not Linux).
 * A health answer alone proves nothing: it may come from somebody else who has the port.
 */
export function listensOn(pid: number, port: number): boolean | undefined {
  try {
    const inodes = new Set([...listeners("/proc/net/tcp", port), ...listeners("/proc/net/tcp6", port)]);
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkTarget(`${folder}/${fd}`))?.[1];
      return inode !== undefined && inodes.has(inode);
    });
  } catch {
    return undefined;
  }
}

function listeners(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return readTable(table)
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === listenState && local?.split(":")[1] === wanted)
    .map((fields) => fields[9] ?? "");
}

function readTable(table: string): string {
  try {
    return readFileSync(table, "utf8");
  } catch (error) {
    // Without IPv6 there is no second table; without /proc there is no first one, and the caller must know.
    if (table.endsWith("6")) return "";
    throw error;
  }
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
