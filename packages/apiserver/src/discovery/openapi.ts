import type { Kind, KindVersion } from "../kinds/kind.ts";
import type { Registry } from "../kinds/registry.ts";
import type { JsonObject } from "../schema/index.ts";
import { createHash } from "node:crypto";
import { groupVersion } from "../kinds/kind.ts";
import { servedIn } from "./discovery.ts";
import { metaComponents, metaName } from "./openapi-meta.ts";

/** One OpenAPI document, made once until the served kinds change. */
export interface OpenApiDocument {
  readonly json: string;
  readonly hash: string;
}

/** OpenAPI v3 of what is served: an index and one document per group version. */
export interface OpenApi {
  index(): JsonObject;
  document(group: string, version: string): OpenApiDocument | undefined;
}

export function createOpenApi(registry: Registry): OpenApi {
  const documents = new Map<string, OpenApiDocument>();
  let generation = -1;

  function document(group: string, version: string): OpenApiDocument | undefined {
    if (generation !== registry.generation) {
      documents.clear();
      generation = registry.generation;
    }
    const id = groupVersion({ group }, version);
    let found = documents.get(id);
    if (found !== undefined) return found;
    const served = servedIn(registry, group, version);
    if (served.length === 0) return undefined;
    const json = JSON.stringify(describe(served));
    found = { json, hash: createHash("sha512").update(json).digest("hex").toUpperCase() };
    documents.set(id, found);
    return found;
  }

  return {
    document,
    index() {
      const paths: JsonObject = {};
      for (const { group, versions } of registry.groups) {
        for (const version of versions) {
          const path = group === "" ? `api/${version}` : `apis/${group}/${version}`;
          const hash = document(group, version)?.hash ?? "";
          paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
        }
      }
      return { paths };
    },
  };
}

function describe(served: readonly (readonly [Kind, KindVersion])[]): JsonObject {
  const paths: JsonObject = {};
  const schemas: JsonObject = { ...metaComponents };
  for (const [kind, version] of served) {
    const name = componentName(kind, version);
    schemas[name] = component(kind, version);
    schemas[`${name}List`] = listComponent(kind, version, name);
    Object.assign(paths, pathsOf(kind, version, name));
  }
  return { openapi: "3.0.0", info: { title: "Kubernetes", version: "v1.36.0" }, paths, components: { schemas } };
}

const packages: Readonly<Record<string, string>> = {
  "": "io.k8s.api.core",
  apps: "io.k8s.api.apps",
  "coordination.k8s.io": "io.k8s.api.coordination",
  "events.k8s.io": "io.k8s.api.events",
  "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
};

function componentName(kind: Kind, { version }: KindVersion): string {
  const prefix = (kind.custom ? undefined : packages[kind.group]) ?? kind.group.split(".").reverse().join(".");
  return `${prefix}.${version}.${kind.kind}`;
}

function gvk(kind: Kind, { version }: KindVersion, name = kind.kind): JsonObject {
  return { group: kind.group, version, kind: name };
}

const apiVersionField = { type: "string", description: "The versioned schema of this representation of an object." };
const kindField = { type: "string", description: "The REST resource that this object represents." };

function reference(name: string): JsonObject {
  return { $ref: `#/components/schemas/${name}` };
}

function component(kind: Kind, version: KindVersion): JsonObject {
  const { properties, ...rest } = version.openapi;
  return {
    ...rest,
    type: "object",
    properties: {
      ...(properties as JsonObject | undefined),
      apiVersion: apiVersionField,
      kind: kindField,
      metadata: { description: "Standard object metadata.", allOf: [reference(metaName("ObjectMeta"))], default: {} },
    },
    "x-kubernetes-group-version-kind": [gvk(kind, version)],
  };
}

function listComponent(kind: Kind, version: KindVersion, name: string): JsonObject {
  return {
    type: "object",
    description: `A list of ${kind.kind}.`,
    required: ["items"],
    properties: {
      apiVersion: apiVersionField,
      kind: kindField,
      metadata: { description: "Standard list metadata.", allOf: [reference(metaName("ListMeta"))], default: {} },
      items: { type: "array", description: "The objects.", items: reference(name) },
    },
    "x-kubernetes-group-version-kind": [gvk(kind, version, kind.listKind)],
  };
}

function isOpen({ openapi }: KindVersion): boolean {
  return JSON.stringify(openapi).includes("x-kubernetes-preserve-unknown-fields");
}

function parameter(name: string, description: string, type = "string"): JsonObject {
  return { name, in: "query", description, schema: { type, uniqueItems: true } };
}

const dryRun = parameter("dryRun", "With All nothing is stored.");
const fieldManager = parameter("fieldManager", "Who makes the change.");
const fieldValidation = parameter("fieldValidation", "What happens to unknown fields: Ignore, Warn or Strict.");
const writing = [dryRun, fieldManager, fieldValidation];
const listing = [
  parameter("allowWatchBookmarks", "Asks for bookmarks.", "boolean"),
  parameter("continue", "Where to go on."),
  parameter("fieldSelector", "Restricts by fields."),
  parameter("labelSelector", "Restricts by labels."),
  parameter("limit", "Most objects in one answer.", "integer"),
  parameter("resourceVersion", "How old the answer may be."),
  parameter("resourceVersionMatch", "How resourceVersion is meant."),
  parameter("sendInitialEvents", "Whether a watch begins with what is there.", "boolean"),
  parameter("timeoutSeconds", "Longest time of a list or watch.", "integer"),
  parameter("watch", "Watches instead of listing.", "boolean"),
];

function pathsOf(kind: Kind, version: KindVersion, name: string): JsonObject {
  const root = kind.group === "" ? `/api/${version.version}` : `/apis/${kind.group}/${version.version}`;
  const collection = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.plural}` : `${root}/${kind.plural}`;
  const one = `${collection}/{name}`;
  const operation = (
    action: string,
    answer: string,
    parameters: readonly JsonObject[],
    body?: JsonObject,
  ): JsonObject => ({
    description: `${action} ${kind.kind}`,
    operationId: `${action}${kind.kind}`,
    parameters: [...parameters],
    ...(body === undefined ? {} : { requestBody: { content: body } }),
    responses: { "200": { description: "OK", content: { "application/json": { schema: reference(answer) } } } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": gvk(kind, version),
  });
  const object = { "*/*": { schema: reference(name) } };
  const patchBody = { schema: reference(metaName("Patch")) };
  const patches: JsonObject = {
    "application/apply-patch+yaml": patchBody,
    "application/json-patch+json": patchBody,
    "application/merge-patch+json": patchBody,
    // For a kind that it finds a strategic merge patch for, kubectl demands a schema of every field below; it has its own otherwise.
    ...(kind.strategic === undefined || isOpen(version) ? {} : { "application/strategic-merge-patch+json": patchBody }),
  };
  const deleting = { "*/*": { schema: reference(metaName("DeleteOptions")) } };
  const patch = operation(
    "patch",
    name,
    [...writing, parameter("force", "Takes over fields on conflict.", "boolean")],
    patches,
  );
  const paths: JsonObject = {
    [collection]: {
      get: operation("list", `${name}List`, listing),
      post: operation("post", name, writing, object),
      delete: operation("deletecollection", metaName("Status"), [...listing, dryRun], deleting),
    },
    [one]: {
      get: operation("get", name, []),
      put: operation("put", name, writing, object),
      patch,
      delete: operation("delete", metaName("Status"), [dryRun], deleting),
    },
  };
  if (kind.namespaced) paths[`${root}/${kind.plural}`] = { get: operation("list", `${name}List`, listing) };
  if (version.hasStatus)
    paths[`${one}/status`] = { get: operation("get", name, []), put: operation("put", name, writing, object), patch };
  return paths;
}
