import type { IncomingMessage } from "node:http";
import type { Json } from "../schema/index.ts";
import { parse as parseYaml } from "yaml";
import { decodeProtobuf, protobufType } from "../protobuf/decode.ts";
import { badRequest, tooLarge, unsupportedMediaType } from "../status.ts";

// Clients that do not look at an answer while they send must be able to finish; those that never stop are cut off.
const discardedBytes = 64 * 1024 * 1024;

/**
 * Reads a whole body. Rejects with a 413 as soon as it is longer than `limitBytes`; the rest is then thrown away as it comes, because
 * closing the connection on a sender would lose the answer.
 */
export function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limitBytes) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      reject(tooLarge(limitBytes));
      if (size > discardedBytes) request.destroy();
    });
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", reject);
    request.once("close", () => reject(badRequest("the connection ended before the body did")));
  });
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
  return parseLimited(what, () => JSON.parse(body.toString("utf8")) as Json);
}

// Deeper than any object that is meant, and than what the functions behind it can follow without running out of stack.
const depthLimit = 1_000;

function parseLimited(what: string, parse: () => Json): Json {
  let value: Json;
  try {
    value = parse();
  } catch (error) {
    throw badRequest(`${what}: ${(error as Error).message.split("\n")[0] ?? ""}`);
  }
  if (isDeeperThan(value, depthLimit)) throw badRequest(`${what}: exceeded max depth of ${depthLimit}`);
  return value;
}

/** Level by level, since a recursion would be what is to be prevented. */
function isDeeperThan(value: Json, limit: number): boolean {
  let level: Json[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    level = level.flatMap((node) =>
      typeof node === "object" && node !== null
        ? Object.values(node).filter((child) => typeof child === "object" && child !== null)
        : [],
    );
  }
  return false;
}

// Enough for anchors that people write, far too few for an expansion that fills the memory.
const aliasLimit = 100;

export function parseYamlText(body: Buffer): Json {
  return parseLimited(
    "error decoding YAML: error converting YAML to JSON: yaml",
    () => (parseYaml(body.toString("utf8"), { maxAliasCount: aliasLimit }) ?? null) as Json,
  );
}
