import type { Json, JsonObject } from "../schema/index.ts";
import { badRequest, StatusError } from "../status.ts";
import { isObject } from "../object.ts";
import { readMessage, text, UnknownFieldError } from "./message.ts";
import { messages } from "./messages.ts";
import { readFields } from "./wire.ts";

export const protobufType = "application/vnd.kubernetes.protobuf";

const magic = Buffer.from("k8s\0", "latin1");

/**
 * Reads an object in Kubernetes' protobuf envelope, which Go's typed clients send for built-in kinds and do not replace by JSON when
 * it is refused. Throws a 415 for kinds and fields it cannot read, and a 400 for malformed bytes.
 */
export function decodeProtobuf(body: Uint8Array): JsonObject {
  try {
    return readEnvelope(body);
  } catch (error) {
    if (error instanceof UnknownFieldError) throw unreadable(error.message);
    if (error instanceof RangeError) throw badRequest(`the protobuf body cannot be read: ${error.message}`);
    throw error;
  }
}

function readEnvelope(body: Uint8Array): JsonObject {
  if (!magic.equals(body.subarray(0, magic.length)))
    throw new RangeError("it does not begin with the prefix of Kubernetes' protobuf");
  let type: JsonObject = {};
  let raw: Uint8Array = new Uint8Array();
  for (const { number, value } of readFields(body.subarray(magic.length))) {
    if (typeof value === "bigint") continue;
    if (number === 1) type = readMessage(value, { apiVersion: text(1), kind: text(2) });
    else if (number === 2) raw = value;
  }
  const { apiVersion = "", kind = "" } = type as { readonly apiVersion?: string; readonly kind?: string };
  const id = kind === "DeleteOptions" ? kind : `${apiVersion} ${kind}`;
  const message = Object.hasOwn(messages, id) ? messages[id] : undefined;
  if (message === undefined) throw unreadable(`${kind} of ${apiVersion}`);
  return { apiVersion, kind, ...(flatten(readMessage(raw, message)) as JsonObject) };
}

function unreadable(what: string): StatusError {
  return new StatusError(
    415,
    "UnsupportedMediaType",
    `${what} cannot be read from protobuf here; send application/json`,
  );
}

/** JSON has the fields of these messages beside those of the message around them. */
function flatten(value: Json): Json {
  if (Array.isArray(value)) return value.map(flatten);
  if (!isObject(value)) return value;
  const { localObjectReference, ...rest } = value;
  const result: JsonObject = isObject(localObjectReference) ? { ...localObjectReference } : {};
  for (const [key, child] of Object.entries(rest)) result[key] = flatten(child);
  return result;
}
