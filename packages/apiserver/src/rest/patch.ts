import type { Json, JsonObject } from "../schema/index.ts";
import type { Entry } from "../store/entry.ts";
import type { ServerContext, Target, WriteOptions, Written } from "./context.ts";
import { ApplyError, applyServerSide, checkApplied, describeConflicts, printType } from "../apply/index.ts";
import { groupVersion, present } from "../kinds/kind.ts";
import { at, goType, isObject, metaOf, textAt, timestamp, withMeta } from "../object.ts";
import { jsonPatch, mergePatch, PatchError, strategicMergePatch } from "../patch/index.ts";
import { invalidValue } from "../schema/index.ts";
import { badRequest, conflict, invalid, notFound, StatusError, unsupportedMediaType } from "../status.ts";
import { decodeObject } from "./decode.ts";
import { checkNames, createObject, replaceObject } from "./write.ts";

export type PatchType = "json" | "merge" | "strategic" | "apply";

/** Content types of patches. */
export const patchTypes: ReadonlyMap<string, PatchType> = new Map([
  ["application/json-patch+json", "json"],
  ["application/merge-patch+json", "merge"],
  ["application/strategic-merge-patch+json", "strategic"],
  ["application/apply-patch+yaml", "apply"],
]);

/** The content types that `target` takes. */
export function acceptedPatches(target: Target): string[] {
  return [...patchTypes]
    .filter(([, type]) => type !== "strategic" || target.kind.strategic !== undefined)
    .map(([contentType]) => contentType);
}

/** Patches the stored object; an apply creates it when it is missing. */
export function patchObject(
  context: ServerContext,
  target: Target,
  type: PatchType,
  patch: Json,
  options: WriteOptions,
): Written {
  const { kind, version, namespace, name } = target;
  const previous = context.store.collection(kind.collection).get(namespace, name);
  if (type === "apply") return applyObject(context, target, previous, patch, options);
  if (previous === undefined) throw notFound(kind, name);
  const live = present(kind, version, previous.object);
  const patched = patchLive(target, type, live, patch);
  if (!isObject(patched)) throw unprocessable("the patch leaves no object");
  const decoded = decodePatched(target, patched, patch, options);
  return replaceObject(context, target, previous, keepVersion(decoded, live), options);
}

/** What the patch made of the object, where it is one of its kind still; a 422 about the patch where it is not. */
function decodePatched(target: Target, patched: JsonObject, patch: Json, options: WriteOptions): JsonObject {
  try {
    return decodeObject(target, patched, options);
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== "BadRequest") throw error;
    const why = error.text.replace(/^\S+ in version "[^"]*" cannot be handled as a \S+: /, "");
    const shown = JSON.stringify(patch);
    const value = shown.length > 500 ? `${shown.slice(0, 500)}...` : shown;
    throw invalid({ group: "", kind: "" }, "", [invalidValue("patch", value, why)]);
  }
}

/** A patch that names no resourceVersion goes on top of whatever is stored. */
function keepVersion(decoded: JsonObject, live: JsonObject): JsonObject {
  return metaOf(decoded).resourceVersion === undefined
    ? withMeta(decoded, { resourceVersion: metaOf(live).resourceVersion })
    : decoded;
}

function patchLive(target: Target, type: Exclude<PatchType, "apply">, live: JsonObject, patch: Json): Json {
  try {
    if (type === "json") return jsonPatch(live, patch);
    if (!isObject(patch))
      throw badRequest(
        `error decoding patch: json: cannot unmarshal ${goType(patch)} into Go value of type map[string]interface {}`,
      );
    if (type === "merge") return mergePatch(live, patch);
    if (target.kind.strategic === undefined) throw unsupportedMediaType(acceptedPatches(target));
    return strategicMergePatch(live, patch, target.kind.strategic);
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    const text = error.message.replace(/^\[\w+\] /, "");
    throw error.code === "test_failed" || type === "json" ? unprocessable(text) : badRequest(text);
  }
}

function unprocessable(text: string): StatusError {
  return new StatusError(422, "Invalid", `the server rejected our request due to an error in our request: ${text}`, {
    details: {},
  });
}

function applyObject(
  context: ServerContext,
  target: Target,
  previous: Entry | undefined,
  patch: Json,
  options: WriteOptions,
): Written {
  const { kind, version, name, namespace, subresource } = target;
  const applied = readApplied(target, patch, options);
  if (previous === undefined && subresource !== "") throw notFound(kind, name);
  const uid = metaOf(applied).uid;
  if (previous === undefined && uid !== undefined) {
    throw conflict(
      kind,
      name,
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    );
  }
  const live = previous === undefined ? undefined : present(kind, version, previous.object);
  const merged = merge(target, live, applied, options, timestamp(context.clock.now()));
  checkNames(target, {
    name: textAt(patch, "metadata", "name") || previous?.name,
    namespace: textAt(patch, "metadata", "namespace") || undefined,
  });
  const decoded = decodeObject(target, merged, { ...options, fieldValidation: "Ignore" });
  if (previous === undefined) {
    const fresh = withMeta(decoded, { name, namespace: namespace || undefined, resourceVersion: undefined });
    return createObject(context, target, fresh, options, "applied");
  }
  const wanted = metaOf(applied).resourceVersion ?? metaOf(previous.object).resourceVersion;
  return replaceObject(context, target, previous, withMeta(decoded, { resourceVersion: wanted }), options, "applied");
}

/** The applied configuration without what this endpoint cannot set. */
function readApplied(target: Target, patch: Json, options: WriteOptions): JsonObject {
  const { kind, version, subresource } = target;
  const given = patch ?? {};
  if (!isObject(given)) {
    throw badRequest(
      `error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${goType(given)} into Go value of type map[string]interface {}`,
    );
  }
  const apiVersion = groupVersion(kind, version.version);
  if (given.apiVersion !== apiVersion || given.kind !== kind.kind) {
    throw badRequest(`invalid object type: ${printType(given)}`);
  }
  const problem = checkApplied(given);
  if (problem !== undefined) throw badRequest(problem);
  decodeObject(target, given, { ...options, fieldValidation: "Ignore" });
  // Pruning checks the field names; defaults must not become owned fields.
  const { value, dropped } = version.schema.prune(given);
  // An unknown field can have no owner, whatever fieldValidation says.
  if (dropped.length > 0) throw undeclared(given, dropped);
  const full: JsonObject = { ...value, apiVersion, kind: kind.kind, metadata: at(given, "metadata") ?? {} };
  const { status, ...object } = full;
  if (subresource === "status") {
    return {
      apiVersion,
      kind: kind.kind,
      metadata: full.metadata ?? {},
      ...(status === undefined ? {} : { status }),
    };
  }
  return version.hasStatus || status === undefined ? object : { ...object, status };
}

function undeclared(applied: JsonObject, paths: readonly string[]): StatusError {
  const subject = `${textAt(applied, "metadata", "namespace")}/${textAt(applied, "metadata", "name")}; ${printType(applied)}`;
  const lines = paths.map((path) => `.${path}: field not declared in schema`);
  const list = lines.length === 1 ? lines.join("") : `errors:\n  ${lines.join("\n  ")}`;
  return untyped(`failed to create typed patch object (${subject}): ${list}`);
}

/** The real server answers what does not fit the schema with 500, and so clients do not expect another code. */
function untyped(text: string): StatusError {
  return new StatusError(500, "Unknown", text);
}

function merge(
  target: Target,
  live: JsonObject | undefined,
  applied: JsonObject,
  options: WriteOptions,
  time: string,
): JsonObject {
  const { kind, version, subresource } = target;
  try {
    const result = applyServerSide({
      live,
      applied,
      manager: options.fieldManager,
      force: options.force,
      apiVersion: groupVersion(kind, version.version),
      schema: version.merge,
      time,
      ...(subresource === "" ? {} : { subresource }),
    });
    if ("object" in result) return result.object;
    const { message, causes } = describeConflicts(result.conflicts);
    throw new StatusError(409, "Conflict", message, { details: { causes } });
  } catch (error) {
    if (error instanceof ApplyError) throw untyped(error.message.replace(/^\[\w+\] /, ""));
    throw error;
  }
}
