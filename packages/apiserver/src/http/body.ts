import type { IncomingMessage } from "node:http";
import type { Json } from "../schema/index.ts";
import { parse as parseYaml } from "yaml";
import { decodeProtobuf, protobufType } from "../protobuf/decode.ts";
import { badRequest, tooLarge, unsupportedMediaType } from "../status.ts";

/** Reads a whole body. Throws a 413 as soon as it is longer than `limitBytes`. */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > limitBytes) throw tooLarge(limitBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limitBytes) throw tooLarge(limitBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The media type of a Content-Type header without its parameters; `fallback` when there is none. */
export function mediaType(header: string | undefined, fallback: string): string {
  const type = (header ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  return type === "" ? fallback : type;
}

/** Reads an object sent as JSON, YAML or protobuf. Throws a 415 for other types and a 400 for text that is neither. */
export function parseObject(body: Buffer, contentType: string): Json {
  if (contentType === "application/json") return parseJson(body);
  if (contentType === "application/yaml") return parseYamlText(body);
  if (contentType === protobufType) return decodeProtobuf(body);
  throw unsupportedMediaType(["application/json", "application/yaml", protobufType]);
}

/** Reads JSON; `what` begins the message of the 400 for text that is none. */
export function parseJson(body: Buffer, what = "couldn't get version/kind; json parse error"): Json {
  try {
    return JSON.parse(body.toString("utf8")) as Json;
  } catch (error) {
    throw badRequest(`${what}: ${(error as Error).message}`);
  }
}

// Enough for anchors that people write, far too few for an expansion that fills the memory.
const aliasLimit = 100;

export function parseYamlText(body: Buffer): Json {
  try {
    return (parseYaml(body.toString("utf8"), { maxAliasCount: aliasLimit }) ?? null) as Json;
  } catch (error) {
    throw badRequest(
      `error decoding YAML: error converting YAML to JSON: yaml: ${(error as Error).message.split("\n")[0] ?? ""}`,
    );
  }
}
