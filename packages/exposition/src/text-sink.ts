import type { ChunkPool } from "./chunk-pool.ts";
import { chunkBytes } from "./chunk-pool.ts";

/** A UTF-16 code unit takes at most three bytes in UTF-8. */
export const worstBytesPerUnit = 3;
/** Numbers up to this one are written here, larger ones as texts. */
const maxSmall = 2 ** 31 - 1;
const lineFeed = 0x0a;

/** Turns a page's pieces into chunks of bytes of about 64 KB. Everything but `write` goes where `reserve` has made room. */
export class TextSink {
  readonly #pool: ChunkPool;
  #buffer: Buffer;
  #at = 0;
  #full: Uint8Array[] = [];

  constructor(pool: ChunkPool) {
    this.#pool = pool;
    this.#buffer = pool.take(chunkBytes);
  }

  /** Makes room for so many bytes in one piece. */
  reserve(bytes: number): void {
    if (bytes <= this.#buffer.byteLength - this.#at) return;
    this.#flush();
    if (bytes > this.#buffer.byteLength) this.#buffer = this.#pool.take(bytes);
  }

  write(text: string): void {
    this.reserve(text.length * worstBytesPerUnit);
    this.text(text);
  }

  text(text: string): void {
    if (text === "\n") this.#buffer[this.#at++] = lineFeed;
    else this.#at += this.#buffer.write(text, this.#at);
  }

  /**
   * A line for each of `bounds`: `head`, the bound's bytes, the sum of the counts from `counts[from]` up to it, and what `ends` has for it,
   * or `end`. Returns the sum of all. Lines differ in a few characters only, so each begins as a copy of the first one's head.
   */
  buckets(
    head: string,
    bounds: readonly Uint8Array[],
    counts: ArrayLike<number>,
    from: number,
    end: string,
    ends: readonly (string | undefined)[] | undefined,
  ): number {
    const buffer = this.#buffer;
    const start = this.#at;
    let at = start + buffer.write(head, start);
    const headBytes = buffer.subarray(start, at);
    const short = end === "\n";
    let seen = 0;
    for (let index = 0; index < bounds.length; index++) {
      if (index > 0) {
        buffer.set(headBytes, at);
        at += headBytes.length;
      }
      const bound = bounds[index] as Uint8Array;
      // Short: a call of set() costs more than the loop.
      for (let byte = 0; byte < bound.length; byte++) buffer[at++] = bound[byte] as number;
      seen += counts[from + index] ?? 0;
      at = writeCount(buffer, at, seen);
      const own = ends === undefined ? undefined : ends[index];
      if (own !== undefined) at += buffer.write(own, at);
      else if (short) buffer[at++] = lineFeed;
      else at += buffer.write(end, at);
    }
    this.#at = at;
    return seen;
  }

  /** Chunks that are full since the last call. */
  take(): Uint8Array[] {
    const taken = this.#full;
    if (taken.length > 0) this.#full = [];
    return taken;
  }

  /** Everything that is left. */
  end(): Uint8Array[] {
    if (this.#at > 0) this.#full.push(this.#buffer.subarray(0, this.#at));
    this.#at = 0;
    return this.take();
  }

  #flush(): void {
    if (this.#at === 0) return;
    this.#full.push(this.#buffer.subarray(0, this.#at));
    this.#buffer = this.#pool.take(chunkBytes);
    this.#at = 0;
  }
}

/** Returns where the next byte goes. */
function writeCount(buffer: Buffer, from: number, value: number): number {
  if (value < 10) {
    buffer[from] = 0x30 + value;
    return from + 1;
  }
  if (value > maxSmall) return from + buffer.write(String(value), from);
  let digits = 2;
  for (let limit = 100; limit <= value; limit *= 10) digits++;
  let rest = value;
  for (let at = from + digits - 1; at >= from; at--) {
    const tenth = (rest / 10) | 0;
    buffer[at] = 0x30 + rest - tenth * 10;
    rest = tenth;
  }
  return from + digits;
}
