import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** A log file that never takes more than twice its limit on disk. */
export interface LogFile extends Disposable {
  readonly path: string;
  write(chunk: Uint8Array): void;
}

/** Appends to `path`; when it has grown past `limitBytes` (default 16 MiB) it becomes `path.1` and a new one begins. */
export function openLogFile(path: string, options: { readonly limitBytes?: number } = {}): LogFile {
  const { limitBytes = 16 * 1024 * 1024 } = options;
  mkdirSync(dirname(path), { recursive: true });
  let file: number | undefined = openSync(path, "a");
  let size = fstatSync(file).size;
  return {
    path,
    write(chunk) {
      // A component's last words may come after the stack has been put away.
      if (file === undefined) return;
      writeSync(file, chunk);
      size += chunk.byteLength;
      if (size <= limitBytes) return;
      closeSync(file);
      renameSync(path, `${path}.1`);
      file = openSync(path, "w");
      size = 0;
    },
    [Symbol.dispose]() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}
