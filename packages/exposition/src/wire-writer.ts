const firstBytes = 4_096;

/** Writes protobuf fields into a buffer that grows (https://protobuf.dev/programming-guides/encoding/). */
export class WireWriter {
  #buffer = Buffer.allocUnsafeSlow(firstBytes);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  /** What was written since the last call; the buffer is used again. */
  take(): Uint8Array {
    const bytes = Buffer.from(this.#buffer.subarray(0, this.#at));
    this.#at = 0;
    return bytes;
  }

  /** A varint without a tag. */
  raw(value: number): void {
    this.#reserve(10);
    this.#varint(value);
  }

  /** A whole number from 0 to 2^53. */
  unsigned(field: number, value: number): void {
    this.#tag(field, 0);
    this.#varint(value);
  }

  /** A sint32 or sint64. */
  zigzag(field: number, value: number): void {
    this.unsigned(field, value >= 0 ? value * 2 : -value * 2 - 1);
  }

  /** An int64 or int32, which writes negative numbers as two's complement. */
  signed(field: number, value: number): void {
    if (value >= 0) {
      this.unsigned(field, value);
      return;
    }
    this.#tag(field, 0);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) this.#buffer[this.#at++] = Number(rest & 0x7fn) | 0x80;
    this.#buffer[this.#at++] = Number(rest);
  }

  double(field: number, value: number): void {
    this.#tag(field, 1);
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }

  text(field: number, value: string): void {
    this.#tag(field, 2);
    const length = Buffer.byteLength(value);
    this.#reserve(length + 10);
    this.#varint(length);
    this.#at += this.#buffer.write(value, this.#at);
  }

  /** A message: what `content` writes, with its length before it. */
  message(field: number, content: () => void): void {
    this.#tag(field, 2);
    this.#reserve(10);
    // Most messages are shorter than 128 bytes, so their length takes one byte; the others are moved.
    const start = ++this.#at;
    content();
    const length = this.#at - start;
    let extra = 0;
    for (let rest = length; rest > 0x7f; rest = Math.floor(rest / 128)) extra++;
    if (extra > 0) {
      this.#reserve(extra);
      this.#buffer.copyWithin(start + extra, start, this.#at);
    }
    this.#at = start - 1;
    this.#varint(length);
    this.#at += length;
  }

  #tag(field: number, type: number): void {
    this.#reserve(24);
    this.#varint(field * 8 + type);
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#buffer[this.#at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#at++] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.byteLength) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.byteLength * 2, this.#at + bytes));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
