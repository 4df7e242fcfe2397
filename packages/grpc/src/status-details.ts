/**
 * Just enough protobuf for google.rpc.Status with google.rpc.ErrorInfo in it (google/rpc/status.proto, error_details.proto):
 * Status { code = 1, message = 2, details = 3 repeated Any }, Any { type_url = 1, value = 2 },
 * ErrorInfo { reason = 1, domain = 2, metadata = 3 map }.
 */

export interface ErrorInfo {
  /** Why, in a form programs can compare, e.g. `TaskFailed`. */
  readonly reason: string;
  /** Who says so: the namespace of `reason`. */
  readonly domain: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

const errorInfoType = "type.googleapis.com/google.rpc.ErrorInfo";

/** The bytes of a google.rpc.Status that carries one ErrorInfo. `code` is the status number. */
export function encodeStatusDetails(code: number, message: string, info: ErrorInfo): Buffer {
  const entries = Object.entries(info.metadata ?? {}).map(([key, value]) =>
    lengthDelimited(3, Buffer.concat([text(1, key), text(2, value)])),
  );
  const errorInfo = Buffer.concat([text(1, info.reason), text(2, info.domain), ...entries]);
  const any = Buffer.concat([text(1, errorInfoType), lengthDelimited(2, errorInfo)]);
  return Buffer.concat([
    code === 0 ? Buffer.alloc(0) : Buffer.concat([varint(tag(1, 0)), varint(code)]),
    text(2, message),
    lengthDelimited(3, any),
  ]);
}

/** The first ErrorInfo of a google.rpc.Status; undefined when there is none or the bytes are no such message. Never throws. */
export function decodeStatusDetails(bytes: Uint8Array): ErrorInfo | undefined {
  for (const [number, any] of fieldsOf(bytes) ?? []) {
    if (number !== 3 || any === undefined) continue;
    const parts = fieldsOf(any);
    if (parts === undefined) return undefined;
    if (utf8(lastOf(parts, 1)) === errorInfoType) return decodeErrorInfo(lastOf(parts, 2));
  }
  return undefined;
}

function decodeErrorInfo(bytes: Uint8Array): ErrorInfo | undefined {
  const fields = fieldsOf(bytes);
  if (fields === undefined) return undefined;
  const reason = utf8(lastOf(fields, 1));
  const domain = utf8(lastOf(fields, 2));
  if (reason === undefined || domain === undefined) return undefined;
  const metadata = new Map<string, string>();
  for (const [number, entry] of fields) {
    if (number !== 3 || entry === undefined) continue;
    const pair = fieldsOf(entry);
    if (pair === undefined) return undefined;
    const key = utf8(lastOf(pair, 1));
    const value = utf8(lastOf(pair, 2));
    if (key === undefined || value === undefined) return undefined;
    metadata.set(key, value);
  }
  return { reason, domain, ...(metadata.size === 0 ? {} : { metadata: Object.fromEntries(metadata) }) };
}

function tag(field: number, wireType: number): number {
  return field * 8 + wireType;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function lengthDelimited(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varint(tag(field, 2)), varint(bytes.length), bytes]);
}

// Proto3 leaves out empty strings.
function text(field: number, value: string): Buffer {
  return value === "" ? Buffer.alloc(0) : lengthDelimited(field, Buffer.from(value, "utf8"));
}

type Field = readonly [number: number, bytes: Uint8Array | undefined];

/** All fields in order, with bytes for the length-delimited ones; undefined for bytes that are no protobuf message. */
function fieldsOf(bytes: Uint8Array): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const readVarint = (): number | undefined => {
    let value = 0;
    // Ten bytes hold the longest varint. Precision is lost above 2^53, where no length or tag of a valid message lies.
    for (let index = 0; index < 10; index++) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      value += (byte & 127) * 2 ** (7 * index);
      if (byte < 128) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const key = readVarint();
    if (key === undefined) return undefined;
    const number = Math.floor(key / 8);
    if (number === 0) return undefined;
    switch (key % 8) {
      case 0:
        if (readVarint() === undefined) return undefined;
        fields.push([number, undefined]);
        break;
      case 1:
        at += 8;
        fields.push([number, undefined]);
        break;
      case 2: {
        const length = readVarint();
        if (length === undefined || at + length > bytes.length) return undefined;
        fields.push([number, bytes.subarray(at, at + length)]);
        at += length;
        break;
      }
      case 5:
        at += 4;
        fields.push([number, undefined]);
        break;
      default:
        return undefined;
    }
    if (at > bytes.length) return undefined;
  }
  return fields;
}

const nothing = new Uint8Array(0);

// "Last one wins" is protobuf's rule for a field that occurs twice.
function lastOf(fields: readonly Field[], number: number): Uint8Array {
  return fields.findLast((field) => field[0] === number)?.[1] ?? nothing;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}
