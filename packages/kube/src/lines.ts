import { KubeError } from "./error.ts";

const newline = 0x0a;

/**
 * Cuts chunks into lines without their newline; empty lines are left out, an unfinished last one is delivered. Throws `protocol` for a
 * line longer than `maxBytes`, having kept no more than that in memory.
 */
export async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  let parts: Buffer[] = [];
  let length = 0;

  function take(part: Buffer): void {
    length += part.length;
    if (length > maxBytes) {
      throw new KubeError("protocol", `a line of the watch is longer than ${maxBytes} bytes`, {
        reason: "LineTooLong",
      });
    }
    parts.push(part);
  }

  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      take(chunk.subarray(start, end));
      start = end + 1;
      const line = parts.length === 1 ? parts[0]! : Buffer.concat(parts, length);
      parts = [];
      length = 0;
      if (line.length > 0) yield line;
    }
    if (start < chunk.length) take(chunk.subarray(start));
  }
  if (length > 0) yield Buffer.concat(parts, length);
}
