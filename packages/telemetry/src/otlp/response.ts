/** What a receiver did not take, though it took the rest, or what it warns of. */
export interface PartialSuccess {
  readonly rejectedDataPoints: number;
  readonly errorMessage: string;
}

/** What an `ExportMetricsServiceResponse` says. @throws Error on what is no protobuf message. */
export function readProtobufResponse(bytes: Uint8Array): PartialSuccess | undefined {
  let rejectedDataPoints = 0;
  let errorMessage = "";
  for (const [field, value] of readFields(bytes)) {
    if (field !== 1 || typeof value === "number") continue;
    for (const [inner, content] of readFields(value)) {
      if (inner === 1 && typeof content === "number") rejectedDataPoints = content;
      if (inner === 2 && typeof content !== "number") errorMessage = Buffer.from(content).toString();
    }
  }
  return worthTelling({ rejectedDataPoints, errorMessage });
}

/** The same in JSON. @throws SyntaxError on what is none. */
export function readJsonResponse(bytes: Uint8Array): PartialSuccess | undefined {
  if (bytes.byteLength === 0) return undefined;
  const response = JSON.parse(Buffer.from(bytes).toString()) as unknown;
  const { rejectedDataPoints, errorMessage } = object(object(response)["partialSuccess"]);
  return worthTelling({
    rejectedDataPoints: Number(rejectedDataPoints) || 0,
    errorMessage: typeof errorMessage === "string" ? errorMessage : "",
  });
}

/**
 * How long a gRPC server asks to wait, milliseconds: `google.rpc.RetryInfo` among the details of a `google.rpc.Status`. Undefined where
 * it does not say, or not readably.
 */
export function readRetryDelayMs(status: Uint8Array): number | undefined {
  try {
    for (const [field, detail] of readFields(status)) {
      if (field !== 3 || typeof detail === "number") continue;
      const any = new Map(readFields(detail));
      const [type, content] = [any.get(1), any.get(2)];
      if (!(type instanceof Uint8Array) || !Buffer.from(type).toString().endsWith("/google.rpc.RetryInfo")) continue;
      const duration = content instanceof Uint8Array ? new Map(readFields(content)).get(1) : undefined;
      if (!(duration instanceof Uint8Array)) return 0;
      const parts = new Map(readFields(duration));
      return Number(parts.get(1) ?? 0) * 1000 + Number(parts.get(2) ?? 0) / 1e6;
    }
  } catch {
    // What cannot be read asks for nothing.
  }
  return undefined;
}

function worthTelling(partial: PartialSuccess): PartialSuccess | undefined {
  return partial.rejectedDataPoints > 0 || partial.errorMessage !== "" ? partial : undefined;
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** Numbers and what has a length; fixed 64 and 32 bits are left out. */
function* readFields(bytes: Uint8Array): Generator<[field: number, value: number | Uint8Array]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || scale > 2 ** 63) throw new Error("a number has no end");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const skip = (length: number): Uint8Array => {
    if (at + length > bytes.byteLength) throw new Error("a field is longer than its message");
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.byteLength) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield [field, varint()];
        break;
      case 1:
        skip(8);
        break;
      case 2:
        yield [field, skip(varint())];
        break;
      case 5:
        skip(4);
        break;
      default:
        throw new Error(`a field has the unknown wire type ${tag % 8}`);
    }
  }
}
