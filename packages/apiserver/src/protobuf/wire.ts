/** One field of a message as it is on the wire: a number for varints, bytes for everything with a length. */
export interface WireField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

const varint = 0;
const fixed64 = 1;
const bytes = 2;
const fixed32 = 5;

/** Splits a protobuf message into its fields. Throws a RangeError for bytes that are no message. */
export function* readFields(message: Uint8Array): Generator<WireField> {
  let position = 0;

  function readVarint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[position++];
      if (byte === undefined) throw new RangeError("the message ends within a number");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number is longer than ten bytes");
  }

  function take(length: number): Uint8Array {
    if (length > message.length - position) throw new RangeError("the message ends within a field");
    position += length;
    return message.subarray(position - length, position);
  }

  while (position < message.length) {
    const key = Number(readVarint());
    const number = Math.floor(key / 8);
    const type = key % 8;
    if (type === varint) yield { number, value: readVarint() };
    else if (type === bytes) yield { number, value: take(Number(readVarint())) };
    else if (type === fixed64) yield { number, value: take(8) };
    else if (type === fixed32) yield { number, value: take(4) };
    else throw new RangeError(`wire type ${type} is not known`);
  }
}
