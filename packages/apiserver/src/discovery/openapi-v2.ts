import type { JsonObject } from "../schema/index.ts";

/**
 * OpenAPI v2 without definitions. kubectl falls back to it for kinds that no v3 document describes, such as List, and does not check
 * what the document does not define; without the document it refuses to send such objects at all.
 */
export const emptyOpenApiV2: JsonObject = {
  swagger: "2.0",
  info: { title: "Kubernetes", version: "v1.36.0" },
  paths: {},
  definitions: {},
};

/** The media type in which clients ask for it first, and the one of the answer: with the @ it would be no valid media type. */
export const openApiV2Protobuf = {
  asked: "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
  answered: "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
} as const;

/** The same as gnostic's openapi.v2.Document: field 1 is the format's version, field 2 title and version of the API. */
export function encodeEmptyOpenApiV2(): Buffer {
  const field = (number: number, content: Buffer | string): Buffer => {
    const bytes = Buffer.from(content);
    return Buffer.concat([Buffer.of(number * 8 + 2, bytes.length), bytes]);
  };
  return Buffer.concat([field(1, "2.0"), field(2, Buffer.concat([field(1, "Kubernetes"), field(2, "v1.36.0")]))]);
}
