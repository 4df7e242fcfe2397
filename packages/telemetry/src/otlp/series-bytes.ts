import type { Attributes } from "@opentelemetry/api";

const firstBytes = 1_024;
/** Copies go four bytes at a time and may read that much beyond an entry at either end. */
const margin = 4;

/**
 * What was written for the attributes of each row of a stream, to be copied as long as a row has the identical attributes. Memory: the
 * bytes and about 24 more per row.
 */
export class SeriesBytes {
  bytes = Buffer.allocUnsafeSlow(firstBytes);
  view = new DataView(this.bytes.buffer);
  /** Where the entry of a row begins and ends in `bytes` and `view`, which are the same memory. */
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  #attributes: (Attributes | undefined)[] = [];
  #used = margin;
  #stale = 0;

  has(row: number, attributes: Attributes): boolean {
    return this.#attributes[row] === attributes;
  }

  /** Keeps `source` from `from` to `to` for a row. */
  keep(row: number, attributes: Attributes, source: Buffer, from: number, to: number): void {
    // Without holes, which would make every access slower.
    while (this.#attributes.length <= row) {
      this.#attributes.push(undefined);
      this.starts.push(0);
      this.ends.push(0);
    }
    this.#stale += this.ends[row]! - this.starts[row]!;
    this.#reserve(to - from);
    source.copy(this.bytes, this.#used, from, to);
    this.#attributes[row] = attributes;
    this.starts[row] = this.#used;
    this.#used += to - from;
    this.ends[row] = this.#used;
  }

  /** Forgets everything when most of it belongs to series that are gone. To be called between two messages. */
  tidy(): void {
    if (this.#stale <= firstBytes || this.#stale * 2 <= this.#used) return;
    this.#attributes = [];
    this.starts.length = 0;
    this.ends.length = 0;
    this.#used = margin;
    this.#stale = 0;
  }

  #reserve(bytes: number): void {
    const needed = this.#used + bytes + margin;
    if (needed <= this.bytes.byteLength) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.byteLength * 2, needed));
    this.bytes.copy(larger, 0, 0, this.#used);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

/** One `SeriesBytes` per stream, for as long as the stream lives. */
export function createSeriesCache(): (stream: object) => SeriesBytes {
  const streams = new WeakMap<object, SeriesBytes>();
  return (stream) => {
    let known = streams.get(stream);
    if (known === undefined) {
      known = new SeriesBytes();
      streams.set(stream, known);
    }
    known.tidy();
    return known;
  };
}
