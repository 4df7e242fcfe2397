import type { ApplyConflict } from "../apply/index.ts";
import type { Json, JsonObject } from "../schema/index.ts";
import type { Entry } from "../store/entry.ts";
import type { ServerContext, Target, WriteOptions, Written } from "./context.ts";
import { ApplyError, applyServerSide, checkApplied } from "../apply/index.ts";
import { groupVersion, present } from "../kinds/kind.ts";
import { at, isObject, metaOf, textAt, timestamp, withMeta } from "../object.ts";
import { jsonPatch, mergePatch, PatchError, strategicMergePatch } from "../patch/index.ts";
import { badRequest, conflict, notFound, StatusError, unsupportedMediaType } from "../status.ts";
import { decodeObject } from "./decode.ts";
import { createObject, replaceObject } from "./write.ts";

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
  const decoded = decodeObject(target, patched, options);
  return replaceObject(context, target, previous, keepVersion(decoded, live), options);
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
        `error decoding patch: json: cannot unmarshal ${Array.isArray(patch) ? "array" : typeof patch} into Go value of type map[string]interface {}`,
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
  if (!isObject(patch)) throw badRequest("error decoding YAML: the applied configuration must be an object");
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
  const decoded = decodeObject(target, merged, { ...options, fieldValidation: "Ignore" });
  if (previous === undefined) {
    const fresh = withMeta(decoded, { name, namespace: namespace || undefined, resourceVersion: undefined });
    return createObject(context, target, fresh, options, "applied");
  }
  const wanted = metaOf(applied).resourceVersion ?? metaOf(previous.object).resourceVersion;
  return replaceObject(context, target, previous, withMeta(decoded, { resourceVersion: wanted }), options, "applied");
}

/** The applied configuration without what this endpoint cannot set. */
function readApplied(target: Target, patch: JsonObject, options: WriteOptions): JsonObject {
  const { kind, version, name, namespace, subresource } = target;
  const problem = checkApplied(patch);
  if (problem !== undefined) throw badRequest(problem);
  const apiVersion = groupVersion(kind, version.version);
  if (textAt(patch, "kind") === "") throw badRequest("Object 'Kind' is missing in the applied configuration");
  const named = textAt(patch, "metadata", "name");
  if (named !== "" && named !== name)
    throw badRequest(`the name of the object (${named}) does not match the name on the URL (${name})`);
  // Pruning checks the field names; defaults must not become owned fields.
  decodeObject(target, { ...patch, apiVersion: patch.apiVersion ?? apiVersion }, options);
  const { value } = version.schema.prune(patch);
  const full: JsonObject = { ...value, apiVersion, kind: kind.kind, metadata: at(patch, "metadata") ?? {} };
  const { status, ...rest } = full;
  const object = withMeta(rest, { name, namespace: namespace || undefined });
  if (subresource === "status") {
    return {
      apiVersion,
      kind: kind.kind,
      metadata: object.metadata ?? {},
      ...(status === undefined ? {} : { status }),
    };
  }
  return version.hasStatus || status === undefined ? object : { ...object, status };
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
    throw applyConflict(result.conflicts);
  } catch (error) {
    if (error instanceof ApplyError) throw badRequest(error.message.replace(/^\[\w+\] /, ""));
    throw error;
  }
}

/** The 409 of an apply, in the words that kubectl shows. */
function applyConflict(conflicts: readonly ApplyConflict[]): StatusError {
  const describe = ({ manager, subresource, apiVersion, operation }: ApplyConflict): string => {
    const below = subresource === undefined ? "" : ` with subresource ${JSON.stringify(subresource)}`;
    return `conflict with ${JSON.stringify(manager)}${below}${operation === "Update" ? ` using ${apiVersion}` : ""}`;
  };
  const causes = conflicts.map((one) => ({ reason: "FieldManagerConflict", message: describe(one), field: one.field }));
  const first = conflicts[0];
  const text =
    conflicts.length === 1 && first !== undefined
      ? `Apply failed with 1 conflict: ${describe(first)}: ${first.field}`
      : `Apply failed with ${conflicts.length} conflicts: ${conflicts.map((one) => `${describe(one)}:\n- ${one.field}`).join("\n")}`;
  return new StatusError(409, "Conflict", text, { details: { causes } });
}
