import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeStatusDetails, encodeStatusDetails } from "./status-details.ts";

// What protobufjs makes of Status{5, "no such VM", [Any(ErrorInfo{"TaskFailed", "almanac.dev", {task: "7"}})]}.
const known = Buffer.from(
  "0805120a6e6f207375636820564d1a500a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e4572726f72496e666f" +
    "12240a0a5461736b4661696c6564120b616c6d616e61632e6465761a090a047461736b120137",
  "hex",
);
const info = { reason: "TaskFailed", domain: "almanac.dev", metadata: { task: "7" } };
const anything = fc.string({ unit: "grapheme", maxLength: 300 });

describe("encodeStatusDetails", () => {
  it("writes the bytes other implementations write", () => {
    expect(encodeStatusDetails(5, "no such VM", info)).toEqual(known);
  });
});

describe("decodeStatusDetails", () => {
  it("reads the bytes other implementations write", () => {
    expect(decodeStatusDetails(known)).toEqual(info);
  });

  it("reads what encodeStatusDetails wrote, whatever is in it", () => {
    fc.assert(
      fc.property(
        fc.nat(16),
        anything,
        anything,
        anything,
        fc.dictionary(anything, anything),
        (code, message, reason, domain, extra) => {
          const metadata = Object.keys(extra).length === 0 ? {} : { metadata: { ...extra } };
          const written = { reason, domain, ...metadata };
          expect(decodeStatusDetails(encodeStatusDetails(code, message, written))).toEqual(written);
        },
      ),
    );
  });

  it("passes over details of other types and unknown fields of every wire type", () => {
    const other = Buffer.from("1a080a04747970651200", "hex");
    const unknown = Buffer.from("20ffffffffffffffffff01" + "290102030405060708" + "3501020304", "hex");
    expect(decodeStatusDetails(Buffer.concat([other, unknown, known]))).toEqual(info);
  });

  it.each([
    ["nothing", ""],
    ["a field cut short", known.toString("hex").slice(0, 40)],
    ["an endless varint", "ff".repeat(20)],
    ["field number 0", "0200"],
    ["a group", "1b1c"],
    ["a length beyond the end", "1affffffff0f00"],
    ["text that is not UTF-8", known.toString("hex").replace("5461736b4661696c6564", "ffffffffffffffffffff")],
  ])("finds nothing in %s", (_name, hex) => {
    expect(decodeStatusDetails(Buffer.from(hex, "hex"))).toBeUndefined();
  });

  it("never throws, whatever the bytes, damaged ones of a real message included", () => {
    const damaged = fc
      .array(fc.tuple(fc.nat(known.length - 1), fc.nat(255)), { maxLength: 5 })
      .map((changes) => changes.reduce((bytes, [at, byte]) => bytes.with(at, byte), new Uint8Array(known)));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), (bytes) => {
        const found = decodeStatusDetails(bytes);
        expect(found === undefined || typeof found.reason === "string").toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
