import type { AnyValue, Attributes } from "@opentelemetry/api";

/** Copies go four bytes at a time and may write that much before what they copy. */
const margin = 4;
const smallestShrunk = 1_048_576;

/**
 * Writes protobuf (https://protobuf.dev/programming-guides/encoding/) from the end of a message to its beginning: then the length of
 * every message inside is known when it has to be written, without a first pass. Places are distances from the end, which stay true when
 * the buffer grows.
 */
export class BackwardWriter {
  bytes: Buffer;
  view: DataView;
  /** Where the first byte written so far is. Who moves it has reserved the space. */
  at: number;

  constructor(firstBytes = 65_536) {
    this.bytes = Buffer.allocUnsafeSlow(firstBytes);
    this.view = viewOf(this.bytes);
    this.at = firstBytes;
  }

  get length(): number {
    return this.bytes.byteLength - this.at;
  }

  /** Begins a new message in the memory of the last one, some of which is given back when it was far too large. */
  reset(): void {
    const { byteLength } = this.bytes;
    if (byteLength > smallestShrunk && this.length * 8 < byteLength) this.#replace(byteLength / 2);
    this.at = this.bytes.byteLength;
  }

  /** What was written. Valid until `reset`. */
  message(): Uint8Array {
    return this.bytes.subarray(this.at);
  }

  reserve(length: number): void {
    if (this.at - length >= margin) return;
    const { bytes, at } = this;
    const used = bytes.byteLength - at;
    this.#replace(Math.max(bytes.byteLength * 2, used + length + margin));
    this.at = this.bytes.byteLength - used;
    bytes.copy(this.bytes, this.at, at);
  }

  /** Puts tag and length before what was written since `end`. */
  close(field: number, end: number): void {
    this.reserve(15);
    const { bytes, at } = this;
    const length = bytes.byteLength - at - end;
    if (length > 0x3fff || field > 15) {
      this.#varint(length);
      this.#varint(field * 8 + 2);
      return;
    }
    // Nearly all are that short.
    let place = at;
    if (length > 0x7f) {
      bytes[--place] = length >> 7;
      bytes[--place] = (length & 0x7f) | 0x80;
    } else {
      bytes[--place] = length;
    }
    bytes[--place] = field * 8 + 2;
    this.at = place;
  }

  /** A number as fixed 64 bits: an int64 or a uint64. Beyond their range it is the nearest there is. */
  integer(field: number, value: number): void {
    this.reserve(15);
    this.at -= 8;
    setInteger(this.view, this.at, value);
    this.#varint(field * 8 + 1);
  }

  double(field: number, value: number): void {
    this.reserve(15);
    this.at -= 8;
    this.view.setFloat64(this.at, value, true);
    this.#varint(field * 8 + 1);
  }

  fixed(field: number, low: number, high: number): void {
    this.reserve(15);
    this.at -= 8;
    this.view.setUint32(this.at, low, true);
    this.view.setUint32(this.at + 4, high, true);
    this.#varint(field * 8 + 1);
  }

  fixed32(field: number, value: number): void {
    this.reserve(15);
    this.at -= 4;
    this.view.setUint32(this.at, value, true);
    this.#varint(field * 8 + 5);
  }

  /** A whole number from 0 to 2^53. */
  varint(field: number, value: number): void {
    this.reserve(15);
    this.#varint(value);
    this.#varint(field * 8);
  }

  /** A sint32. */
  zigzag(field: number, value: number): void {
    this.varint(field, value >= 0 ? value * 2 : -value * 2 - 1);
  }

  /** Whole numbers from 0 to 2^53, packed. */
  varints(field: number, values: readonly number[]): void {
    const end = this.length;
    this.reserve(values.length * 10);
    for (let index = values.length - 1; index >= 0; index--) this.#varint(values[index]!);
    this.close(field, end);
  }

  doubles(field: number, values: readonly number[]): void {
    const end = this.length;
    this.reserve(values.length * 8);
    for (let index = values.length - 1; index >= 0; index--) {
      this.at -= 8;
      this.view.setFloat64(this.at, values[index]!, true);
    }
    this.close(field, end);
  }

  text(field: number, text: string): void {
    const end = this.length;
    this.#utf8(text);
    this.close(field, end);
  }

  /** Half as many bytes as there are hexadecimal digits; nothing where they are none. */
  hexadecimal(field: number, digits: string): void {
    const size = digits.length >> 1;
    this.reserve(size);
    const { bytes } = this;
    const at = this.at - size;
    // Stays below 16 as long as there are digits only.
    let seen = digits.length & 1 ? 0x10 : 0;
    for (let index = 0; index < size; index++) {
      const [first, second] = [digits.charCodeAt(index * 2), digits.charCodeAt(index * 2 + 1)];
      const [high, low] = [digitValues[first & 0x7f]!, digitValues[second & 0x7f]!];
      seen |= high | low | ((first | second) & ~0x7f);
      bytes[at + index] = (high << 4) | low;
    }
    if (seen > 0xf || size === 0) return;
    const end = this.length;
    this.at = at;
    this.close(field, end);
  }

  /** `KeyValue`s in the order of the attributes. */
  attributes(field: number, attributes: Attributes): void {
    const keys = Object.keys(attributes);
    for (let index = keys.length - 1; index >= 0; index--) {
      const key = keys[index]!;
      const end = this.length;
      this.#anyValue(attributes[key]);
      this.close(2, end);
      this.text(1, key);
      this.close(field, end);
    }
  }

  #anyValue(value: AnyValue): void {
    switch (typeof value) {
      case "string":
        this.text(1, value);
        return;
      case "boolean":
        this.varint(2, value ? 1 : 0);
        return;
      case "number":
        if (isInteger(value)) {
          this.reserve(15);
          if (value >= 0) this.#varint(value);
          else this.#negative(value);
          this.#varint(3 * 8);
        } else {
          this.double(4, value);
        }
        return;
      case "undefined":
      case "bigint":
      case "symbol":
      case "function":
        return;
      case "object":
        break;
    }
    const end = this.length;
    if (value === null) return;
    if (value instanceof Uint8Array) {
      this.reserve(value.byteLength);
      this.at -= value.byteLength;
      this.bytes.set(value, this.at);
      this.close(7, end);
    } else if (Array.isArray(value)) {
      for (let index = value.length - 1; index >= 0; index--) {
        const itemEnd = this.length;
        this.#anyValue(value[index] as AnyValue);
        this.close(1, itemEnd);
      }
      this.close(5, end);
    } else {
      this.attributes(1, value as Attributes);
      this.close(6, end);
    }
  }

  #utf8(text: string): void {
    this.reserve(text.length * 3);
    const { bytes } = this;
    let { at } = this;
    for (let index = text.length - 1; index >= 0; index--) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) {
        const length = Buffer.byteLength(text);
        this.at -= length;
        bytes.write(text, this.at, length);
        return;
      }
      bytes[--at] = code;
    }
    this.at = at;
  }

  #varint(value: number): void {
    const { bytes } = this;
    if (value < 0x80) {
      bytes[--this.at] = value;
      return;
    }
    let size = 1;
    for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) size++;
    let at = (this.at -= size);
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 0x80;
    bytes[at] = rest;
  }

  /** An int64 below 0: ten bytes of two's complement. */
  #negative(value: number): void {
    let at = (this.at -= 10);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) this.bytes[at++] = Number(rest & 0x7fn) | 0x80;
    this.bytes[at] = Number(rest);
  }

  #replace(byteLength: number): void {
    this.bytes = Buffer.allocUnsafeSlow(byteLength);
    this.view = viewOf(this.bytes);
  }
}

/** Copies `source` from `from` to `to`, so that it ends before `end`. May spoil three bytes before it. */
export function copyBackward(source: DataView, from: number, to: number, target: DataView, end: number): void {
  for (let place = to - 4, at = end - 4; place > from - 4; place -= 4, at -= 4) {
    target.setInt32(at, source.getInt32(place, true), true);
  }
}

/** Whether a number becomes an OTLP integer. */
export function isInteger(value: number): boolean {
  return Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63;
}

/** Writes a whole number as 64 bits; what is beyond the range of an int64 becomes the nearest there is. */
export function setInteger(view: DataView, at: number, value: number): void {
  const within = Math.min(Math.max(value, -(2 ** 63)), 2 ** 63);
  if (within === 2 ** 63) {
    view.setUint32(at, 0xffff_ffff, true);
    view.setUint32(at + 4, 0x7fff_ffff, true);
    return;
  }
  const high = Math.floor(within / 2 ** 32);
  view.setUint32(at, within - high * 2 ** 32, true);
  view.setInt32(at + 4, high, true);
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Of ASCII characters; 16 for what is no hexadecimal digit. */
const digitValues = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? 16 : value;
});
