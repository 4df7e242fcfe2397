import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { BackwardWriter, copyBackward, setInteger } from "./backward-writer.ts";

/** Reads what `put` wrote as field 1 with an independent reader. */
function written(put: (writer: BackwardWriter) => void): protobuf.Reader {
  const writer = new BackwardWriter(16);
  put(writer);
  const reader = protobuf.Reader.create(writer.message());
  expect(reader.uint32() >> 3).toBe(1);
  return reader;
}

describe("BackwardWriter", () => {
  it("writes whole numbers of any size", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(Number(written((writer) => writer.varint(1, value)).uint64())).toBe(value);
      }),
    );
  });

  it("writes numbers around zero", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (value) => {
        expect(written((writer) => writer.zigzag(1, value)).sint32()).toBe(value);
      }),
    );
  });

  it("writes lengths of any size in as few bytes as it takes, whatever the buffer had room for", () => {
    for (const size of [0, 1, 127, 128, 16_383, 16_384, 100_000]) {
      const text = "é".repeat(size >> 1) + "x".repeat(size & 1);
      const writer = new BackwardWriter(16);
      writer.text(1, text);
      writer.close(1, 0);
      const inner = protobuf.Reader.create(protobuf.Reader.create(writer.message()).skip(1).bytes()).skip(1).string();
      expect(inner).toBe(text);
      const varint = size > 16_383 ? 3 : size > 127 ? 2 : 1;
      expect(writer.length).toBe(
        1 + (size + 1 + varint > 16_383 ? 3 : size + 1 + varint > 127 ? 2 : 1) + 1 + varint + size,
      );
    }
  });

  it("writes identifiers, and nothing where they are none", () => {
    expect(Buffer.from(written((writer) => writer.hexadecimal(1, "00fFa9")).bytes()).toString("hex")).toBe("00ffa9");
    for (const digits of ["", "0", "0g", "g0", "00 1", "é0", "0\u0130"]) {
      const writer = new BackwardWriter(16);
      writer.varint(2, 5);
      writer.hexadecimal(1, digits);
      expect([...writer.message()], digits).toEqual([16, 5]);
    }
  });

  it("keeps what it has when its buffer grows, and gives memory back after one message that was far larger", () => {
    const writer = new BackwardWriter(16);
    for (let size = 0; size < 2_000_000; size += 100_000) writer.text(2, "x".repeat(100_000));
    expect(writer.length).toBeGreaterThan(2_000_000);
    expect(Buffer.from(writer.message()).lastIndexOf("x")).toBe(writer.length - 1);
    const large = writer.bytes.byteLength;
    for (let message = 0; message < 10; message++) {
      writer.reset();
      writer.varint(1, message);
    }
    expect(writer.bytes.byteLength).toBeLessThan(large / 2);
    expect([...writer.message()]).toEqual([8, 9]);
  });
});

describe("copyBackward", () => {
  it("copies any length to any place, and spoils nothing behind it", () => {
    const bytes = fc.uint8Array({ minLength: 0, maxLength: 40 });
    fc.assert(
      fc.property(bytes, bytes, (content, behind) => {
        const source = Buffer.concat([Buffer.alloc(4, 1), content]);
        const writer = new BackwardWriter(4);
        writer.reserve(behind.length);
        writer.at -= behind.length;
        writer.bytes.set(behind, writer.at);
        writer.reserve(content.length);
        const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
        copyBackward(view, 4, source.length, writer.view, writer.at);
        writer.at -= content.length;
        expect([...writer.message()]).toEqual([...content, ...behind]);
      }),
    );
  });
});

describe("setInteger", () => {
  it.each([0, 1, -1, 2 ** 31, 2 ** 32, -(2 ** 32), 2 ** 53, -(2 ** 53) + 1, 2 ** 62, -(2 ** 63)])(
    "writes %d",
    (value) => {
      const view = new DataView(new ArrayBuffer(8));
      setInteger(view, 0, value);
      expect(view.getBigInt64(0, true)).toBe(BigInt(value));
    },
  );

  it("keeps to what an int64 can be", () => {
    const view = new DataView(new ArrayBuffer(8));
    setInteger(view, 0, 1e300);
    expect(view.getBigInt64(0, true)).toBe(2n ** 63n - 1n);
    setInteger(view, 0, -1e300);
    expect(view.getBigInt64(0, true)).toBe(-(2n ** 63n));
  });
});
