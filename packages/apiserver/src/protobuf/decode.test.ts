import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { StatusError } from "../status.ts";
import { decodeProtobuf } from "./decode.ts";

type Part = Uint8Array | string | number | boolean;

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    if (rest < 0x80n) return [...bytes, Number(rest)];
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}

/** A message from pairs of field number and value. */
function message(...fields: readonly (readonly [number: number, value: Part])[]): Uint8Array {
  const bytes = fields.flatMap(([number, value]) => {
    if (typeof value === "number" || typeof value === "boolean")
      return [...varint(number * 8), ...varint(Number(value))];
    const content = typeof value === "string" ? Buffer.from(value) : value;
    return [...varint(number * 8 + 2), ...varint(content.length), ...content];
  });
  return Uint8Array.from(bytes);
}

function envelope(apiVersion: string, kind: string, raw: Uint8Array): Uint8Array {
  const unknown = message([1, message([1, apiVersion], [2, kind])], [2, raw], [3, ""], [4, ""]);
  return Buffer.concat([Buffer.from("k8s\0"), unknown]);
}

const entry = (key: string, value: Part): Uint8Array => message([1, key], [2, value]);
const named = (name: string): Uint8Array =>
  message([1, name], [2, ""], [3, "ns"], [5, ""], [6, ""], [7, 0], [8, message()]);

describe("decodeProtobuf", () => {
  it("reads a Secret as Go writes it, without the fields that are not set", () => {
    const raw = message([1, named("s")], [2, entry("k", Uint8Array.of(0, 255))], [3, "Opaque"], [5, false]);
    expect(decodeProtobuf(envelope("v1", "Secret", raw))).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s", namespace: "ns" },
      data: { k: "AP8=" },
      type: "Opaque",
      immutable: false,
    });
  });

  it("reads numbers that may be zero, times with fractions and negative seconds", () => {
    const spec = message([1, "me"], [2, 15], [4, message([1, 1_767_225_600], [2, 123_456_000])], [5, 0]);
    expect(decodeProtobuf(envelope("coordination.k8s.io/v1", "Lease", message([1, named("l")], [2, spec])))).toEqual({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "l", namespace: "ns" },
      spec: {
        holderIdentity: "me",
        leaseDurationSeconds: 15,
        renewTime: "2026-01-01T00:00:00.123456Z",
        leaseTransitions: 0,
      },
    });
  });

  it("reads ports that are numbers or names, and references that JSON writes flat", () => {
    const port = (target: Uint8Array): Uint8Array => message([1, "p"], [3, 80], [4, target]);
    const service = message(
      [1, named("s")],
      [2, message([1, port(message([1, 0], [2, 8080]))], [1, port(message([1, 1], [3, "web"]))])],
    );
    expect(decodeProtobuf(envelope("v1", "Service", service)).spec).toEqual({
      ports: [
        { name: "p", port: 80, targetPort: 8080 },
        { name: "p", port: 80, targetPort: "web" },
      ],
    });
    const selector = message([1, message([1, "config"])], [2, "key"]);
    const container = message([1, "c"], [7, message([1, "A"], [3, message([3, selector])])]);
    const deployment = message(
      [1, named("d")],
      [2, message([3, message([2, message([2, container], [14, message()])])])],
    );
    expect(decodeProtobuf(envelope("apps/v1", "Deployment", deployment)).spec).toEqual({
      template: {
        spec: {
          containers: [
            { name: "c", env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "config", key: "key" } } }] },
          ],
          securityContext: {},
        },
      },
    });
  });

  it("answers 415 rather than lose a field or a kind it does not know", () => {
    const withProbe = message(
      [1, named("d")],
      [2, message([3, message([2, message([2, message([1, "c"], [10, message()])])])])],
    );
    for (const body of [envelope("apps/v1", "Deployment", withProbe), envelope("batch/v1", "Job", message())]) {
      expect(() => decodeProtobuf(body)).toThrow(expect.objectContaining({ status: 415 }) as StatusError);
    }
  });

  it("answers any bytes with an object or a Status, never with another error", () => {
    const body = envelope("v1", "ConfigMap", message([1, named("c")], [2, entry("a", "b")]));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(body.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.nat(body.length),
        (changes, length) => {
          const bytes = Uint8Array.from(body.subarray(0, length));
          for (const [index, value] of changes) if (index < length) bytes[index] = value;
          try {
            expect(decodeProtobuf(bytes)).toHaveProperty("kind");
          } catch (error) {
            expect(error).toBeInstanceOf(StatusError);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
