import type { PatchType } from "./patch.ts";
import type { Json, JsonObject } from "../schema/index.ts";
import type { ServerContext, Target, WriteOptions } from "./context.ts";
import { present } from "../kinds/kind.ts";
import { at, goType, isObject, metaOf, show, textAt, withMeta } from "../object.ts";
import { invalidValue } from "../schema/index.ts";
import { badRequest, internalError, invalid, notFound } from "../status.ts";
import { applyPatch, invalidPatch } from "./patch.ts";
import { checkNames, replaceObject } from "./write.ts";

/** The autoscaling/v1 Scale of a stored object. */
export function readScale({ kind, version }: Target, stored: JsonObject, required = true): JsonObject {
  const object = present(kind, version, stored);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metaOf(object);
  const paths = version.scale;
  const replicas = valueAt(object, paths?.specReplicas);
  if (kind.custom && replicas === undefined && paths !== undefined && required)
    throw internalError(`the spec replicas field ${JSON.stringify(paths.specReplicas)} does not exist`);
  const selector = paths?.labelSelector === undefined ? selectorOf(object) : valueAt(object, paths.labelSelector);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion, creationTimestamp },
    // A Scale leaves out what is 0.
    spec: typeof replicas === "number" && replicas !== 0 ? { replicas } : {},
    status: {
      replicas: Number(valueAt(object, paths?.statusReplicas) ?? 0),
      ...(typeof selector === "string" ? { selector } : {}),
    },
  };
}

/** Writes the replicas of `body`, a Scale, into the object. Returns the new Scale. */
export function replaceScale(context: ServerContext, target: Target, body: Json, options: WriteOptions): JsonObject {
  const { kind, version, namespace, name } = target;
  const previous = context.store.collection(kind.collection).get(namespace, name);
  if (previous === undefined) throw notFound(kind, name);
  if (!isObject(body) || (body.kind !== undefined && body.kind !== "Scale"))
    throw badRequest("the body must be a Scale of autoscaling/v1");
  checkNames(target, {
    name: textAt(body, "metadata", "name") || undefined,
    namespace: textAt(body, "metadata", "namespace") || undefined,
  });
  const replicas = at(body, "spec", "replicas") ?? 0;
  if (typeof replicas !== "number" || !Number.isInteger(replicas)) {
    const why = `json: cannot unmarshal ${goType(replicas)} into Go struct field ScaleSpec.spec.replicas of type int32`;
    throw badRequest(`Scale in version "v1" cannot be handled as a Scale: ${why}`);
  }
  if (replicas < 0) {
    throw kind.custom
      ? invalid(kind, name, [
          invalidValue(version.scale?.specReplicas ?? "", replicas, "should be a non-negative integer"),
        ])
      : invalid({ group: "autoscaling", kind: "Scale" }, name, [
          invalidValue("spec.replicas", replicas, "must be greater than or equal to 0"),
        ]);
  }
  const live = present(kind, version, previous.object);
  const resourceVersion = at(body, "metadata", "resourceVersion") ?? metaOf(live).resourceVersion;
  const next = withMeta(setAt(live, pathOf(version.scale?.specReplicas), replicas), { resourceVersion });
  const { entry } = replaceObject(context, target, previous, next, options);
  return readScale(target, entry.object, false);
}

export function patchScale(
  context: ServerContext,
  target: Target,
  type: Exclude<PatchType, "apply">,
  patch: Json,
  options: WriteOptions,
): JsonObject {
  const { kind, namespace, name } = target;
  const previous = context.store.collection(kind.collection).get(namespace, name);
  if (previous === undefined) throw notFound(kind, name);
  const scale = applyPatch(type, readScale(target, previous.object, false), patch);
  const replicas = at(scale, "spec", "replicas");
  if (replicas !== undefined && typeof replicas !== "number") {
    const why = `json: cannot unmarshal ${goType(replicas)} into Go struct field ScaleSpec.spec.replicas of type int32`;
    throw invalidPatch(scale, why);
  }
  return replaceScale(context, target, scale, options);
}

function pathOf(path: string | undefined): string[] {
  return (path ?? "").split(".").filter((part) => part !== "");
}

function valueAt(object: JsonObject, path: string | undefined): Json | undefined {
  return path === undefined || path === "" ? undefined : at(object, ...pathOf(path));
}

function setAt(object: JsonObject, path: readonly string[], value: Json): JsonObject {
  const [key, ...rest] = path;
  if (key === undefined) return object;
  const child = object[key];
  return { ...object, [key]: rest.length === 0 ? value : setAt(isObject(child) ? child : {}, rest, value) };
}

function selectorOf(object: JsonObject): string | undefined {
  const labels = at(object, "spec", "selector", "matchLabels");
  if (!isObject(labels)) return undefined;
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${show(value)}`)
    .join(",");
}
