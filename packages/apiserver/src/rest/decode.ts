import type { Json, JsonObject } from "../schema/index.ts";
import type { Target, WriteOptions } from "./context.ts";
import { groupVersion } from "../kinds/kind.ts";
import { decodeMetadata } from "../kinds/metadata.ts";
import { at, goType, isObject, show, textAt } from "../object.ts";
import { invalidValue } from "../schema/index.ts";
import { badRequest, invalid } from "../status.ts";

/**
 * Reads a body as an object of the target's kind and version: checks apiVersion and kind, drops unknown fields (an error or warnings
 * as asked), and fills in defaults. Throws a 400 for what is not such an object.
 */
export function decodeObject(target: Target, body: Json, options: WriteOptions): JsonObject {
  const { kind, version } = target;
  const apiVersion = groupVersion(kind, version.version);
  const unrecognized = `the object provided is unrecognized (must be of type ${kind.kind}): `;
  const object = body === null ? {} : body;
  if (!isObject(object)) {
    throw badRequest(
      `${unrecognized}couldn't get version/kind; json parse error: json: cannot unmarshal ${goType(object)} into an object`,
    );
  }
  const given = { kind: show(object.kind), apiVersion: show(object.apiVersion) };
  if (kind.custom && given.kind === "")
    throw badRequest(`${unrecognized}Object 'Kind' is missing in '${clip(object)}'`);
  if (kind.custom && given.apiVersion === "")
    throw badRequest(`${unrecognized}Object 'apiVersion' is missing in '${clip(object)}'`);
  if (given.apiVersion !== "" && given.apiVersion !== apiVersion) {
    throw badRequest(
      `the API version in the data (${given.apiVersion}) does not match the expected API version (${apiVersion})`,
    );
  }
  if (given.kind !== "" && given.kind !== kind.kind) {
    if (kind.custom) {
      const error = invalidValue("kind", given.kind, `must be ${kind.kind}`);
      throw invalid({ group: kind.group, kind: given.kind }, textAt(object, "metadata", "name"), [error]);
    }
    const why = `the kind in the data (${given.kind}) does not match the expected kind (${kind.kind})`;
    throw badRequest(`${given.kind} in version "${version.version}" cannot be handled as a ${kind.kind}: ${why}`);
  }
  const { apiVersion: _, kind: __, metadata: raw, ...content } = object;
  const { metadata, dropped, repeatedOwners } = decodeMetadata(kind, version.version, raw);
  if (repeatedOwners.length > 0) {
    options.warn(
      `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${repeatedOwners.join(", ")}`,
    );
  }
  const pruned = version.schema.prune(kind.custom ? content : (withoutNulls(withEmptyTexts(content)) as JsonObject));
  report(target, [...dropped, ...(kind.custom ? pruned.dropped.toSorted() : pruned.dropped)], options);
  const complete = { apiVersion, kind: kind.kind, metadata, ...withoutType(version.schema.default(pruned.value)) };
  if (!kind.custom) checkTypes(target, complete);
  return complete;
}

function report(target: Target, dropped: readonly string[], options: WriteOptions): void {
  const { duplicates = [], fieldValidation } = options;
  if (dropped.length + duplicates.length === 0 || fieldValidation === "Ignore") return;
  const messages = [
    ...duplicates.map((path) => `duplicate field "${path}"`),
    ...dropped.map((path) => `unknown field "${path}"`),
  ];
  if (fieldValidation === "Warn") for (const message of messages) options.warn(message);
  else {
    const { kind, version } = target;
    throw badRequest(
      `${kind.kind} in version "${version.version}" cannot be handled as a ${kind.kind}: strict decoding error: ${messages.join(", ")}`,
    );
  }
}

/** The built-in kinds are typed in the real server: a wrong type does not even decode. */
function checkTypes(target: Target, object: JsonObject): void {
  const { kind, version } = target;
  const { metadata: _, ...content } = object;
  const wrong = version.schema.validate(content).find((error) => error.type === "FieldValueTypeInvalid");
  const prefix = `${kind.kind} in version "${version.version}" cannot be handled as a ${kind.kind}: `;
  for (const path of microTimes.get(kind.kind) ?? []) {
    const problem = microTimeProblem(at(content, ...path));
    if (problem !== undefined) throw badRequest(`${prefix}${problem}`);
  }
  if (wrong !== undefined) {
    const value = at(object, ...wrong.field.split(".")) ?? null;
    throw badRequest(
      `${prefix}json: cannot unmarshal ${goType(value)} into Go struct field ${kind.kind}.${wrong.field}`,
    );
  }
  for (const field of kind.kind === "Secret" ? ["data"] : kind.kind === "ConfigMap" ? ["binaryData"] : []) {
    const data = object[field];
    if (!isObject(data)) continue;
    for (const value of Object.values(data)) {
      if (!isBase64(show(value)))
        throw badRequest(`${prefix}illegal base64 data at input byte ${firstBadByte(show(value))}`);
    }
  }
}

const microTimes: ReadonlyMap<string, readonly (readonly string[])[]> = new Map([
  [
    "Lease",
    [
      ["spec", "acquireTime"],
      ["spec", "renewTime"],
    ],
  ],
  ["Event", [["eventTime"], ["series", "lastObservedTime"]]],
]);
const microLayout = "2006-01-02T15:04:05.000000Z07:00";

/** What is wrong with a metav1.MicroTime, which has six digits after the point, no fewer. */
function microTimeProblem(value: Json | undefined): string | undefined {
  if (typeof value !== "string") return undefined;
  const [, date = "", fraction, zone] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)?(\.\d{6})?(Z|[+-]\d\d:\d\d)?$/.exec(value) ?? [];
  if (date !== "" && fraction !== undefined && zone !== undefined) return undefined;
  const [from, as] = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(value) ? [value.slice(19), ".000000"] : [value, "2006"];
  return `parsing time ${JSON.stringify(value)} as ${JSON.stringify(microLayout)}: cannot parse ${JSON.stringify(from)} as ${JSON.stringify(as)}`;
}

function isBase64(text: string): boolean {
  return text.replace(/[\r\n]/g, "").length % 4 === 0 && /^[A-Za-z0-9+/\r\n]*={0,2}$/.test(text);
}

function firstBadByte(text: string): number {
  const index = text.search(/[^A-Za-z0-9+/\r\n]/);
  return index < 0 ? text.length - (text.length % 4) : index;
}

/** A null in a map of texts is the empty text. */
function withEmptyTexts(content: JsonObject): JsonObject {
  const result = { ...content };
  for (const field of ["data", "stringData", "binaryData"]) {
    const map = result[field];
    if (isObject(map) && Object.values(map).includes(null))
      result[field] = Object.fromEntries(Object.entries(map).map(([key, value]) => [key, value ?? ""]));
  }
  return result;
}

/** Built-in types read null as absent. */
function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([, child]) => child !== null);
  // From entries, because an assignment to a key like `__proto__` would be lost.
  return Object.fromEntries(entries.map(([key, child]) => [key, withoutNulls(child)]));
}

function withoutType(object: JsonObject): JsonObject {
  const { apiVersion: _, kind: __, metadata: ___, ...content } = object;
  return content;
}

function clip(body: JsonObject): string {
  const text = JSON.stringify(body);
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}
