import type { ByteTexts } from "./byte-texts.ts";
import { slackBytes, viewOf, worstBytesPerUnit } from "./byte-texts.ts";
import type { ChunkPool } from "./chunk-pool.ts";
import { chunkBytes } from "./chunk-pool.ts";
import { formatValue } from "./number.ts";

/** No value takes more bytes. */
export const valueBytes = 32;

/** What the bucket lines of a family have in common. */
export interface BucketLines {
  /** `le`, its value and all that follows before the count, by bucket. */
  readonly bounds: ByteTexts;
  readonly buckets: number;
  /** One text, the end of each line. */
  readonly tail: ByteTexts;
}

/** Ends that some lines have instead, by bucket. */
export interface LineEnds {
  has(bucket: number): boolean;
  write(bucket: number): void;
}

const lineFeed = 0x0a;
const zero = 0x30;
/** The two digits of 0 … 99, as 16-bit numbers whose bytes stand in the order of the digits. */
const twoDigits = Uint16Array.from({ length: 100 }, (_, n) => zero + Math.floor(n / 10) + ((zero + (n % 10)) << 8));

/**
 * Turns a page's pieces into chunks of bytes of about 64 KB. Everything but `write` goes where `reserve` has made room.
 *
 * Most of a page has been written before: names, labels, bounds. Such pieces are copied as numbers of eight bytes, which the compiler turns
 * into a load and a store each, while a call of `set()` costs as much as eight of them. The last one overshoots; what comes next
 * overwrites it. No eight bytes of UTF-8 are a NaN, which some engine might not keep.
 */
export class TextSink {
  readonly #pool: ChunkPool;
  #bytes: Buffer;
  #view: DataView;
  #room: number;
  #at = 0;
  #full: Uint8Array[] = [];

  constructor(pool: ChunkPool) {
    this.#pool = pool;
    this.#bytes = pool.take(chunkBytes);
    this.#view = viewOf(this.#bytes);
    this.#room = this.#bytes.byteLength - slackBytes;
  }

  /** Where the next byte goes, as `repeat` understands it until `reserve` is called again. */
  get position(): number {
    return this.#at;
  }

  /** Takes back what was written since, without a `reserve` in between. */
  rewind(position: number): void {
    this.#at = position;
  }

  /** Makes room for so many bytes in one piece. */
  reserve(bytes: number): void {
    if (bytes <= this.#room - this.#at) return;
    if (this.#at > 0) this.#full.push(this.#bytes.subarray(0, this.#at));
    if (this.#at > 0 || bytes > this.#room) {
      this.#bytes = this.#pool.take(Math.max(bytes + slackBytes, chunkBytes));
      this.#view = viewOf(this.#bytes);
      this.#room = this.#bytes.byteLength - slackBytes;
    }
    this.#at = 0;
  }

  /** Any text, wherever there is room. */
  write(text: string): void {
    this.reserve(text.length * worstBytesPerUnit);
    this.text(text);
  }

  /** Any text. */
  text(text: string): void {
    this.#at += this.#bytes.write(text, this.#at);
  }

  /** A short text in ASCII. */
  ascii(text: string): void {
    const bytes = this.#bytes;
    const at = this.#at;
    // A call out of JavaScript costs more than this loop.
    for (let index = 0; index < text.length; index++) bytes[at + index] = text.charCodeAt(index);
    this.#at = at + text.length;
  }

  /**
   * An id of hexadecimal digits in lower case, a multiple of four. False, and nothing written, if it has a character that could be taken for
   * something else: the check lets pass what needs no more care than digits do, `:;<=>?` and `g` to `o`, so that it takes four at a time.
   */
  id(text: string): boolean {
    const at = this.#at;
    this.#bytes.write(text, at, "latin1");
    const view = this.#view;
    const end = at + text.length;
    let wrong = 0;
    for (let four = at; four < end; four += 4) {
      const codes = view.getInt32(four, true);
      // 0x30 … 0x3f and 0x60 … 0x6f: the bits 0x80 and 0x20 are 0 and 1, of 0x40 and 0x10 exactly one is 1.
      wrong |= (codes & 0xa0a0a0a0) ^ 0x20202020;
      wrong |= ~(codes ^ (codes << 2)) & 0x40404040;
    }
    if (wrong !== 0) return false;
    this.#at = end;
    return true;
  }

  byte(byte: number): void {
    this.#bytes[this.#at++] = byte;
  }

  /** One of many texts. */
  copy({ view, starts, lengths }: ByteTexts, place: number): void {
    const at = this.#at;
    const length = lengths[place] as number;
    copyEights(view, starts[place] as number, this.#view, at, length);
    this.#at = at + length;
  }

  /** What was written at `position`, once more. */
  repeat(position: number, length: number): void {
    const at = this.#at;
    copyEights(this.#view, position, this.#view, at, length);
    this.#at = at + length;
  }

  /** As `formatValue` has it. */
  value(value: number): void {
    const whole = value | 0;
    if (whole !== value || whole < 0 || (whole === 0 && 1 / value < 0)) this.ascii(formatValue(value));
    else this.#at = writeWhole(this.#bytes, this.#view, this.#at, whole);
  }

  /**
   * The lines of a histogram's buckets. The first one's head has been written at `line`; the others are copies of it. Each goes on with its
   * bound, the sum of the counts from `counts[from]` up to it, and its end. Returns the sum of all.
   */
  bucketLines(
    line: number,
    shape: BucketLines,
    counts: Float64Array,
    from: number,
    ends: LineEnds | undefined,
  ): number {
    const { bounds, buckets, tail } = shape;
    const bytes = this.#bytes;
    const view = this.#view;
    // Copies are written out here: of a page's time, a call of copyEights for each takes a sixth.
    const { view: boundView, starts, lengths } = bounds;
    const tailBytes = tail.lengths[0] as number;
    let at = this.#at;
    const head = at - line;
    let seen = 0;
    let last = 0;
    let digits = 0;
    for (let bucket = 0; bucket < buckets; bucket++) {
      if (bucket > 0) {
        for (let offset = 0; offset < head; offset += 8) {
          view.setFloat64(at + offset, view.getFloat64(line + offset, true), true);
        }
        at += head;
      }
      const start = starts[bucket] as number;
      const length = lengths[bucket] as number;
      for (let offset = 0; offset < length; offset += 8) {
        view.setFloat64(at + offset, boundView.getFloat64(start + offset, true), true);
      }
      at += length;
      const count = counts[from + bucket] as number;
      if (count === 0 && bucket > 0) {
        copyEights(view, last, view, at, digits);
      } else {
        seen += count;
        this.#at = at;
        this.value(seen);
        digits = this.#at - at;
      }
      last = at;
      at += digits;
      if (ends?.has(bucket) === true) {
        this.#at = at;
        ends.write(bucket);
        at = this.#at;
      } else if (tailBytes === 1) {
        bytes[at++] = lineFeed;
      } else {
        copyEights(tail.view, 0, view, at, tailBytes);
        at += tailBytes;
      }
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
    if (this.#at > 0) this.#full.push(this.#bytes.subarray(0, this.#at));
    this.#at = 0;
    return this.take();
  }
}

function copyEights(from: DataView, start: number, to: DataView, at: number, length: number): void {
  for (let offset = 0; offset < length; offset += 8) {
    to.setFloat64(at + offset, from.getFloat64(start + offset, true), true);
  }
}

function writeWhole(bytes: Buffer, view: DataView, at: number, whole: number): number {
  if (whole < 10) {
    bytes[at] = zero + whole;
    return at + 1;
  }
  let digits = 2;
  for (let limit = 100; limit <= whole && digits < 10; limit *= 10) digits++;
  let rest = whole;
  let end = at + digits;
  while (rest >= 100) {
    const hundredth = (rest / 100) | 0;
    view.setUint16((end -= 2), twoDigits[rest - hundredth * 100] as number, true);
    rest = hundredth;
  }
  if (rest >= 10) view.setUint16(end - 2, twoDigits[rest] as number, true);
  else bytes[end - 1] = zero + rest;
  return at + digits;
}
