const smallestShrunk = 1_048_576;

/** Writes text as UTF-8 into a buffer that grows and is used again. */
export class TextWriter {
  bytes: Buffer;
  /** Where the next byte goes. */
  at = 0;

  constructor(firstBytes = 65_536) {
    this.bytes = Buffer.allocUnsafeSlow(firstBytes);
  }

  /** Begins a new message in the memory of the last one, some of which is given back when it was far too large. */
  reset(): void {
    const { byteLength } = this.bytes;
    if (byteLength > smallestShrunk && this.at * 8 < byteLength) this.#replace(byteLength / 2);
    this.at = 0;
  }

  /** What was written. Valid until `reset`. */
  message(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }

  /** Any text. */
  text(text: string): void {
    this.#reserve(text.length * 3);
    this.at += this.bytes.write(text, this.at);
  }

  /** A text of ASCII characters, usually a short one. */
  ascii(text: string): void {
    this.#reserve(text.length);
    const { bytes } = this;
    let { at } = this;
    for (let index = 0; index < text.length; index++) bytes[at++] = text.charCodeAt(index);
    this.at = at;
  }

  /** A whole text that is ready, which is faster than a part of one. */
  put(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  copy(source: Buffer, from: number, to: number): void {
    const length = to - from;
    this.#reserve(length);
    source.copy(this.bytes, this.at, from, to);
    this.at += length;
  }

  double(value: number): void {
    this.ascii(doubleText(value));
  }

  /** A 64-bit integer, which is a text (protobuf's JSON mapping). */
  integer(value: number): void {
    this.ascii(`"${integerText(value)}"`);
  }

  /** Several of them with commas between, most of which have one digit. */
  integers(values: Float64Array, from: number, to: number): void {
    for (let index = from; index < to; index++) {
      const value = values[index]!;
      this.#reserve(4);
      const { bytes } = this;
      if (index > from) bytes[this.at++] = 0x2c;
      if (value >= 0 && value < 10) {
        const place = this.at;
        bytes[place] = 0x22;
        bytes[place + 1] = 0x30 + value;
        bytes[place + 2] = 0x22;
        this.at = place + 3;
      } else {
        this.ascii(`"${integerText(value)}"`);
      }
    }
  }

  /** A comma unless a list or an object has just begun. */
  comma(): void {
    const last = this.bytes[this.at - 1];
    if (last !== 0x5b && last !== 0x7b) this.ascii(",");
  }

  #reserve(length: number): void {
    if (this.at + length <= this.bytes.byteLength) return;
    const { bytes, at } = this;
    this.#replace(Math.max(bytes.byteLength * 2, at + length));
    bytes.copy(this.bytes, 0, 0, at);
  }

  #replace(byteLength: number): void {
    this.bytes = Buffer.allocUnsafeSlow(byteLength);
  }
}

/** A double; what JSON has no number for is a text (protobuf's JSON mapping). */
export function doubleText(value: number): string {
  // String() has no sign for it.
  if (Object.is(value, -0)) return "-0";
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}

/** All digits of a whole number; what is beyond the range of an int64 becomes the nearest there is. */
export function integerText(value: number): string {
  if (Math.abs(value) < 2 ** 53) return String(value);
  return String(BigInt.asIntN(64, value >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(Math.max(value, -(2 ** 63)))));
}
