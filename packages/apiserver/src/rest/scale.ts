import type { PatchType } from "./patch.ts";
import type { Json, JsonObject } from "../schema/index.ts";
import type { ServerContext, Target, WriteOptions } from "./context.ts";
import { present } from "../kinds/kind.ts";
import { at, isObject, metaOf, show, withMeta } from "../object.ts";
import { jsonPatch, mergePatch } from "../patch/index.ts";
import { invalidValue } from "../schema/index.ts";
import { badRequest, invalid, notFound } from "../status.ts";
import { replaceObject } from "./write.ts";

/** The autoscaling/v1 Scale of a stored object. */
export function readScale({ kind, version }: Target, stored: JsonObject): JsonObject {
  const object = present(kind, version, stored);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metaOf(object);
  const paths = version.scale;
  const replicas = valueAt(object, paths?.specReplicas);
  const selector = paths?.labelSelector === undefined ? selectorOf(object) : valueAt(object, paths.labelSelector);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion, creationTimestamp },
    spec: { replicas: typeof replicas === "number" ? replicas : 0 },
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
  const replicas = at(body, "spec", "replicas") ?? 0;
  if (typeof replicas !== "number" || !Number.isInteger(replicas) || replicas < 0) {
    throw invalid({ group: "autoscaling", kind: "Scale" }, name, [
      invalidValue("spec.replicas", replicas, "must be greater than or equal to 0"),
    ]);
  }
  const live = present(kind, version, previous.object);
  const resourceVersion = at(body, "metadata", "resourceVersion") ?? metaOf(live).resourceVersion;
  const next = withMeta(setAt(live, pathOf(version.scale?.specReplicas), replicas), { resourceVersion });
  const { entry } = replaceObject(context, target, previous, next, options);
  return readScale(target, entry.object);
}

export function patchScale(
  context: ServerContext,
  target: Target,
  type: PatchType,
  patch: Json,
  options: WriteOptions,
): JsonObject {
  const { kind, namespace, name } = target;
  const previous = context.store.collection(kind.collection).get(namespace, name);
  if (previous === undefined) throw notFound(kind, name);
  const scale = readScale(target, previous.object);
  return replaceScale(context, target, type === "json" ? jsonPatch(scale, patch) : mergePatch(scale, patch), options);
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
