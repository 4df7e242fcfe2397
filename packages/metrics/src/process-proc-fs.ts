import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import type { stack } from "@almanac/catalog";
import { sharedReading } from "./shared-reading.ts";
import type { Instruments } from "./types.ts";

/** What only /proc tells (proc_pid_status(5), proc_pid_limits(5)); nothing where it is missing. */
export function observeProcFs(instruments: Instruments<typeof stack>, root = "/proc/self"): Disposable[] {
  if (!existsSync(`${root}/status`)) return [];
  const status = sharedReading(async () => await readFile(`${root}/status`, "utf8"));
  const source = { source: "proc" };

  return [
    instruments.process_virtual_memory_bytes.observe(async (observe) => {
      observe(kibibytesField(await status(), "VmSize") * 1024);
    }, source),
    instruments.process_heap_bytes.observe(async (observe) => {
      observe(kibibytesField(await status(), "VmData") * 1024);
    }, source),
    instruments.process_open_fds.observe(async (observe) => {
      // The directory is open itself while it is read.
      observe((await readdir(`${root}/fd`)).length - 1);
    }, source),
    instruments.process_max_fds.observe(async (observe) => {
      const soft = /^Max open files\s+(\d+|unlimited)/m.exec(await readFile(`${root}/limits`, "utf8"))?.[1];
      if (soft === undefined) throw new Error(`${root}/limits has no line "Max open files"`);
      if (soft !== "unlimited") observe(Number(soft));
    }, source),
  ];
}

function kibibytesField(status: string, field: string): number {
  const value = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (value === undefined) throw new Error(`/proc/self/status has no field ${field} in kB`);
  return Number(value);
}
