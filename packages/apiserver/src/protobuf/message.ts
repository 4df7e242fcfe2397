import type { Json, JsonObject } from "../schema/index.ts";
import type { WireField } from "./wire.ts";
import { readFields } from "./wire.ts";

/** Reads the wire values of one field; undefined leaves the field out. */
type Reader = (value: WireField["value"], before: Json | undefined) => Json | undefined;

/** A field of a message: its number, and how its value becomes JSON. */
export interface Field {
  readonly number: number;
  readonly read: Reader;
}

/** The fields of a message by their names in JSON. */
export type Message = Readonly<Record<string, Field>>;

/** A field that the server does not know how to read; the client has to send JSON. */
export class UnknownFieldError extends RangeError {}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** A message as JSON. Throws an UnknownFieldError rather than lose a field, and a RangeError for malformed bytes. */
export function readMessage(bytes: Uint8Array, message: Message, path = ""): JsonObject {
  const byNumber = new Map(Object.entries(message).map(([name, field]) => [field.number, [name, field] as const]));
  const object: JsonObject = {};
  for (const { number, value } of readFields(bytes)) {
    const found = byNumber.get(number);
    if (found === undefined) throw new UnknownFieldError(`field ${number}${path === "" ? "" : ` of ${path}`}`);
    const [name, { read }] = found;
    const json = read(value, object[name]);
    if (json !== undefined) object[name] = json;
  }
  return object;
}

function asBytes(value: WireField["value"]): Uint8Array {
  if (typeof value === "bigint") throw new RangeError("a number where bytes were expected");
  return value;
}

function asNumber(value: WireField["value"]): number {
  if (typeof value !== "bigint") throw new RangeError("bytes where a number was expected");
  return Number(BigInt.asIntN(64, value));
}

function readText(value: WireField["value"]): string {
  try {
    return decoder.decode(asBytes(value));
  } catch (error) {
    throw new RangeError("a string is not UTF-8", { cause: error });
  }
}

/** Go writes strings that are not set as empty ones; JSON leaves them out. */
export function text(number: number): Field {
  return { number, read: (value) => readText(value) || undefined };
}

/** A number that is left out when it is zero. */
export function int(number: number): Field {
  return { number, read: (value) => asNumber(value) || undefined };
}

/** A number that may be zero: a pointer in Go. */
export function optionalInt(number: number): Field {
  return { number, read: asNumber };
}

export function bool(number: number): Field {
  return { number, read: (value) => asNumber(value) !== 0 || undefined };
}

export function optionalBool(number: number): Field {
  return { number, read: (value) => asNumber(value) !== 0 };
}

export function texts(number: number): Field {
  return { number, read: (value, before) => [...(Array.isArray(before) ? before : []), readText(value)] };
}

/** A message; left out when it is empty, unless it is a pointer in Go, where being there means something. */
export function one(number: number, message: Message, options: { readonly pointer?: boolean } = {}): Field {
  return {
    number,
    read(value) {
      const object = readMessage(asBytes(value), message);
      return Object.keys(object).length > 0 || options.pointer === true ? object : undefined;
    },
  };
}

export function many(number: number, message: Message): Field {
  return {
    number,
    read: (value, before) => [...(Array.isArray(before) ? before : []), readMessage(asBytes(value), message)],
  };
}

/** A message whose only field stands for the whole, e.g. Quantity. */
function unwrap(number: number, message: Message, name: string): Field {
  return { number, read: (value) => readMessage(asBytes(value), message)[name] };
}

function map(number: number, content: Field): Field {
  return {
    number,
    read(value, before) {
      const entry = readMessage(asBytes(value), { key: text(1), value: content });
      return {
        ...(before as JsonObject | undefined),
        [typeof entry.key === "string" ? entry.key : ""]: entry.value ?? "",
      };
    },
  };
}

export function textMap(number: number): Field {
  return map(number, text(2));
}

export function bytesMap(number: number): Field {
  return map(number, { number: 2, read: (value) => Buffer.from(asBytes(value)).toString("base64") });
}

export function quantityMap(number: number): Field {
  return map(number, unwrap(2, { string: text(1) }, "string"));
}

/** JSON inside of bytes. */
export function rawJson(number: number): Field {
  return {
    number,
    read(value) {
      const { raw } = readMessage(asBytes(value), { raw: text(1) });
      return typeof raw === "string" ? (JSON.parse(raw) as Json) : undefined;
    },
  };
}

function readTime(value: WireField["value"], fraction: (nanos: number) => string): string | undefined {
  const { seconds, nanos = 0 } = readMessage(asBytes(value), { seconds: optionalInt(1), nanos: optionalInt(2) });
  if (typeof seconds !== "number" || typeof nanos !== "number") return undefined;
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}${fraction(nanos)}Z`;
}

export function time(number: number): Field {
  return { number, read: (value) => readTime(value, () => "") };
}

export function microTime(number: number): Field {
  return {
    number,
    read: (value) => readTime(value, (nanos) => `.${String(Math.floor(nanos / 1000)).padStart(6, "0")}`),
  };
}

export function intOrString(number: number): Field {
  return {
    number,
    read(value) {
      const {
        type,
        int: whole,
        string,
      } = readMessage(asBytes(value), { type: int(1), int: optionalInt(2), string: text(3) });
      return type === 1 ? (string ?? "") : whole;
    },
  };
}
