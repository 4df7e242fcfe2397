import { isUtf8 } from "node:buffer";
import { ExpositionError } from "../error.ts";

const varint = 0;
const fixed64 = 1;
const bytes = 2;
const fixed32 = 5;

/**
 * Reads the fields of one protobuf message between two offsets of a buffer (https://protobuf.dev/programming-guides/encoding/). Every
 * method throws `invalid_page` with the byte's offset where the bytes are no such thing.
 */
export class WireReader {
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  readonly #start: number;
  readonly #end: number;
  at: number;
  /** Of the field read last. */
  #type = 0;
  #fieldAt = 0;

  constructor(buffer: Uint8Array, at = 0, end = buffer.byteLength) {
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    this.at = at;
    this.#start = at;
    this.#end = end;
  }

  get done(): boolean {
    return this.at >= this.#end;
  }

  error(message: string, offset = this.#fieldAt): ExpositionError {
    return ExpositionError.invalidPage({ offset }, message);
  }

  /** The number of the next field; 0 at the end. Errors after that are about the whole message. */
  next(): number {
    if (this.done) {
      this.#fieldAt = this.#start;
      return 0;
    }
    this.#fieldAt = this.at;
    const tag = this.#varint();
    const field = Math.floor(tag / 8);
    this.#type = tag % 8;
    if (field < 1 || field > 0x1fff_ffff) throw this.error(`${field} is no field number`);
    return field;
  }

  /** Passes a field that is not known. */
  skip(): void {
    if (this.#type === varint) this.#varint();
    else if (this.#type === fixed64) this.#advance(8);
    else if (this.#type === fixed32) this.#advance(4);
    else if (this.#type === bytes) this.#advance(this.#varint());
    else throw this.error(`the wire type ${this.#type} is not used here`);
  }

  double(): number {
    this.#want(fixed64);
    return this.#double();
  }

  /** An unsigned whole number; above 2^53 rounded. */
  unsigned(): number {
    this.#want(varint);
    return this.#varint();
  }

  /** An int64 or an enum: negative ones are written as two's complement. */
  signed(): number {
    this.#want(varint);
    const value = this.#varint();
    return value >= 2 ** 63 ? value - 2 ** 64 : value;
  }

  /** A sint32 or sint64. */
  zigzag(): number {
    this.#want(varint);
    return unzigzag(this.#varint());
  }

  /** One or, packed, many of a repeated sint64. */
  zigzags(into: number[]): void {
    if (this.#type !== bytes) {
      into.push(this.zigzag());
      return;
    }
    const packed = this.message();
    while (!packed.done) into.push(unzigzag(packed.#varint()));
  }

  doubles(into: number[]): void {
    if (this.#type !== bytes) {
      into.push(this.double());
      return;
    }
    const packed = this.message();
    while (!packed.done) into.push(packed.#double());
  }

  text(): string {
    const part = this.message();
    const slice = this.#buffer.subarray(part.at, part.#end);
    if (!isUtf8(slice)) throw this.error("a text is not UTF-8");
    return Buffer.from(slice.buffer, slice.byteOffset, slice.byteLength).toString("utf8");
  }

  message(): WireReader {
    this.#want(bytes);
    return this.delimited();
  }

  /** A message behind its length, without a tag. */
  delimited(): WireReader {
    const from = this.at;
    const length = this.#varint();
    const start = this.at;
    if (length > this.#end - start) {
      throw this.error(`a length of ${length} bytes, but ${this.#end - start} are left`, from);
    }
    this.at += length;
    const part = new WireReader(this.#buffer, start, this.at);
    part.#fieldAt = start;
    return part;
  }

  #want(type: number): void {
    if (this.#type !== type) throw this.error(`a field has the wire type ${this.#type} in place of ${type}`);
  }

  #advance(length: number): void {
    if (length > this.#end - this.at)
      throw this.error(`${length} bytes are wanted, but ${this.#end - this.at} are left`, this.at);
    this.at += length;
  }

  #double(): number {
    const from = this.at;
    this.#advance(8);
    return this.#view.getFloat64(from, true);
  }

  #varint(): number {
    const from = this.at;
    let low = 0;
    let high = 0;
    for (let index = 0; index < 10; index++) {
      if (this.done) throw this.error("a number has no end", from);
      const byte = this.#buffer[this.at++] ?? 0;
      if (index < 4) low += (byte & 0x7f) * 2 ** (7 * index);
      // 2^28 and up; the tenth byte holds one bit.
      else high += (byte & 0x7f) * 2 ** (7 * (index - 4));
      if (byte < 0x80) {
        if (index === 9 && byte > 1) break;
        return low + high * 2 ** 28;
      }
    }
    throw this.error("a number has more than 64 bits", from);
  }
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
