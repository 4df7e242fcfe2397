import type { Json, JsonObject } from "../schema/index.ts";
import type { Entry } from "../store/entry.ts";
import type { ServerContext, Target, WriteOptions, Written } from "./context.ts";
import { ApplyError, applyServerSide, checkApplied, describeConflicts, printType } from "../apply/index.ts";
import { groupVersion, present } from "../kinds/kind.ts";
import { at, goType, isObject, metaOf, show, textAt, timestamp, withMeta } from "../object.ts";
import { jsonPatch, mergePatch, PatchError, strategicMergePatch } from "../patch/index.ts";
import { invalidValue } from "../schema/index.ts";
import { badRequest, invalid, notFound, StatusError } from "../status.ts";
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
  const patched = applyPatch(type, live, patch, kind.strategic);
  if (!isObject(patched)) throw rejected();
  const decoded = decodePatched(target, patched, type === "strategic" ? patch : patched, options);
  checkSystemFields(target, decoded, live);
  return replaceObject(context, target, previous, keepVersion(decoded, live), options);
}

/** What the patch made of the object, where it is one of its kind still; a 422 about `shown` where it is not. */
function decodePatched(target: Target, patched: JsonObject, shown: Json, options: WriteOptions): JsonObject {
  const { kind, version } = target;
  const apiVersion = groupVersion(kind, version.version);
  if (kind.custom && patched.apiVersion !== apiVersion) {
    const given = show(patched.apiVersion);
    const group = given.includes("/") ? given.slice(0, given.indexOf("/")) : "";
    throw invalid({ group, kind: show(patched.kind) }, textAt(patched, "metadata", "name"), [
      invalidValue("apiVersion", given, `must be ${apiVersion}`),
    ]);
  }
  try {
    return decodeObject(target, patched, options);
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== "BadRequest") throw error;
    const why = error.text.replace(/^\S+ in version "[^"]*" cannot be handled as a \S+: /, "");
    throw invalidPatch(shown, why);
  }
}

/** The 422 about a patch whose outcome, `shown`, is no object of the kind. */
export function invalidPatch(shown: Json, why: string): StatusError {
  return invalid({ group: "", kind: "" }, "", [invalidValue("patch", JSON.stringify(shown), why)]);
}

const systemFields = ["uid", "deletionTimestamp", "deletionGracePeriodSeconds"] as const;

/** A patch may leave out or repeat these. An update that changes the uid is told of a conflict instead, and of a new creationTimestamp nobody takes notice. */
function checkSystemFields({ kind, name }: Target, next: JsonObject, live: JsonObject): void {
  const [given, known] = [metaOf(next), metaOf(live)];
  const errors = systemFields
    .filter((field) => given[field] !== undefined && given[field] !== known[field])
    .map((field) => invalidValue(`metadata.${field}`, given[field] ?? null, "field is immutable"));
  if (errors.length > 0) throw invalid(kind, name, errors);
}

/** A patch that names no resourceVersion goes on top of whatever is stored. */
function keepVersion(decoded: JsonObject, live: JsonObject): JsonObject {
  return metaOf(decoded).resourceVersion === undefined
    ? withMeta(decoded, { resourceVersion: metaOf(live).resourceVersion })
    : decoded;
}

/** `live` after a patch. Throws the Status errors for one that is malformed or cannot be applied. */
export function applyPatch(
  type: Exclude<PatchType, "apply">,
  live: JsonObject,
  patch: Json,
  strategic: Target["kind"]["strategic"] = {},
): Json {
  try {
    if (type === "json") {
      if (patch !== null && !Array.isArray(patch)) throw undecodable(patch, "[]handlers.jsonPatchOp");
      return jsonPatch(live, patch ?? []);
    }
    if (patch === null) throw badRequest("Invalid JSON Patch");
    if (!isObject(patch)) throw undecodable(patch, "map[string]interface {}");
    return type === "merge" ? mergePatch(live, patch) : strategicMergePatch(live, patch, strategic);
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    // The real server says nothing about what is wrong with a JSON patch, and 500 where it does not know a directive.
    throw type === "json" ? rejected() : untyped(error.message.replace(/^\[\w+\] /, ""));
  }
}

function undecodable(patch: Json, goName: string): StatusError {
  return badRequest(`error decoding patch: json: cannot unmarshal ${goType(patch)} into Go value of type ${goName}`);
}

function rejected(): StatusError {
  return new StatusError(422, "Invalid", "the server rejected our request due to an error in our request", {
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
  const live = previous === undefined ? undefined : present(kind, version, previous.object);
  const merged = merge(target, live, applied, options, timestamp(context.clock.now()));
  checkNames(target, {
    name: textAt(patch, "metadata", "name") || previous?.name,
    namespace: textAt(patch, "metadata", "namespace") || undefined,
  });
  const decoded = decodeObject(target, merged, { ...options, fieldValidation: "Ignore" });
  checkSystemFields(target, decoded, live ?? { metadata: {} });
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
