import { createReadStream } from "node:fs";
import { crc32 } from "node:zlib";
import { ApiServerError } from "../error.ts";

export interface ReadRecordsOptions {
  /** What a damaged last line means: an error, or a call with the length of the sound part. */
  readonly torn: "refuse" | ((soundBytes: number) => void);
  /** Called at the end with the length of the sound part. */
  readonly onEnd?: (soundBytes: number) => void;
}

const newline = 0x0a;

/** Reads the lines `<crc32> <json>` of a file. Throws `state_corrupt` naming file and offset for a damaged line that is not the last. */
export async function* readRecords<T>(file: string, options: ReadRecordsOptions): AsyncGenerator<T> {
  let sound = 0;
  let rest: Buffer = Buffer.alloc(0);
  let damaged = false;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = rest.indexOf(newline); end >= 0; end = rest.indexOf(newline, start)) {
      if (damaged) throw corrupt(file, sound);
      const record = parse<T>(rest.subarray(start, end));
      if (record === undefined) damaged = true;
      else {
        sound += end + 1 - start;
        yield record;
      }
      start = end + 1;
    }
    rest = rest.subarray(start);
  }
  if (damaged || rest.length > 0) {
    if (options.torn === "refuse" || (damaged && rest.length > 0)) throw corrupt(file, sound);
    options.torn(sound);
  }
  options.onEnd?.(sound);
}

function parse<T>(line: Buffer): T | undefined {
  if (line.length < 10 || crc32(line.subarray(9)) !== Number.parseInt(line.toString("latin1", 0, 8), 16))
    return undefined;
  return JSON.parse(line.toString("utf8", 9)) as T;
}

function corrupt(file: string, offset: number): ApiServerError {
  return new ApiServerError(
    "state_corrupt",
    `${file} holds a damaged record at byte ${offset}; restore the file or remove the state folder`,
  );
}
