import { readFileSync, readdirSync } from "node:fs";

/** Process ids of the direct children of `parent` whose command line matches. Linux only. */
export function childrenOf(parent: number, command: RegExp): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        // The name in parentheses may hold anything; the parent is the second field after it.
        const parentPid = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
        return parentPid === parent && command.test(readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
      } catch {
        return false;
      }
    });
}

/** The value of one variable in a process's environment. */
export function environmentOf(pid: number, name: string): string | undefined {
  const entry = readFileSync(`/proc/${pid}/environ`, "utf8")
    .split("\0")
    .find((line) => line.startsWith(`${name}=`));
  return entry?.slice(name.length + 1);
}
