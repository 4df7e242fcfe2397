import type { JsonObject, Json } from "../schema/index.ts";
import type { ServedKind } from "../kinds/registry.ts";
import type { FieldValidation, Target, WriteOptions, Written } from "../rest/context.ts";
import type { Entry } from "../store/entry.ts";
import type { IncludeObject } from "../table/table.ts";
import type { Representation } from "./negotiate.ts";
import type { ResourcePath } from "./path.ts";
import type { Exchange } from "./request.ts";
import type { Kind } from "../kinds/kind.ts";
import { groupVersion, present } from "../kinds/kind.ts";
import { at, isObject, metaOf, withMeta } from "../object.ts";
import { decodeObject } from "../rest/decode.ts";
import { deleteObject, readDeleteOptions } from "../rest/delete.ts";
import { acceptedPatches, patchObject, patchTypes } from "../rest/patch.ts";
import type { ListPage, ListQuery } from "../rest/read.ts";
import { checkReached, listPage, readRevision } from "../rest/read.ts";
import { patchScale, readScale, replaceScale } from "../rest/scale.ts";
import { readSelection } from "../rest/selection.ts";
import { createObject, replaceObject } from "../rest/write.ts";
import { invalidValue, notSupported, required } from "../schema/index.ts";
import {
  badRequest,
  conflict,
  invalid,
  methodNotAllowed,
  noSuchMethod,
  noSuchPath,
  notFound,
  qualified,
  StatusError,
  unsupportedMediaType,
} from "../status.ts";
import { tableMetadata, toPartial, toTable } from "../table/table.ts";
import { duplicateFields } from "./duplicate-fields.ts";
import { mediaType, parseJson, parseObject, parseYamlText, readBody } from "./body.ts";
import { isResourceConversion, negotiate } from "./negotiate.ts";
import { addWarning, send, sendJson, sendPieces } from "./respond.ts";
import { readBoolean, readInteger } from "./query.ts";
import { serveWatch } from "./watch.ts";

/** Answers requests for resources: every verb on collections, objects and subresources. */
export async function serveResource(exchange: Exchange, path: ResourcePath): Promise<void> {
  const { context, request, response, query, labels } = exchange;
  const served = context.registry.find(path.group, path.version, path.plural);
  if (served === undefined) throw noSuchPath();
  const { kind, version } = served;
  labels.resource = qualified(kind);
  checkScope(served, path);
  if (
    path.subresource === "finalize"
      ? kind.collection !== "namespaces"
      : path.subresource === "status"
        ? !version.hasStatus
        : path.subresource === "scale"
          ? version.scale === undefined
          : path.subresource !== ""
  ) {
    throw noSuchPath();
  }
  if (version.deprecationWarning !== undefined) addWarning(response, version.deprecationWarning);
  const target: Target = { kind, version, namespace: path.namespace, name: path.name, subresource: path.subresource };
  const representation = negotiate(request.headers.accept, isResourceConversion);
  const method = request.method === "HEAD" ? "GET" : (request.method ?? "");
  if (path.subresource === "scale") return serveScale(exchange, target, representation, method);
  if (target.name === "") {
    if (method === "GET")
      return readBoolean(query.get("watch")) === true
        ? watch(exchange, target, representation)
        : list(exchange, target, representation);
    if (method === "POST" && (path.namespace !== "" || !kind.namespaced))
      return create(exchange, target, representation);
    if (method === "DELETE") return deleteAll(exchange, target, representation);
  } else {
    if (method === "GET") return get(exchange, target, representation);
    if (method === "PUT") return replace(exchange, target, representation);
    if (method === "PATCH") return patch(exchange, target, representation);
    if (method === "DELETE" && target.subresource === "") return deleteOne(exchange, target, representation);
  }
  throw refuseMethod(target, method);
}

const verbs: ReadonlyMap<string, string> = new Map([
  ["POST", "create"],
  ["PUT", "update"],
  ["PATCH", "patch"],
  ["DELETE", "delete"],
]);

/** Built-in kinds have no route for what they do not offer; custom ones have one for all methods. */
function refuseMethod({ kind, name }: Target, method: string): StatusError {
  if (!kind.custom) return noSuchMethod();
  if (method === "PUT" && name === "") return badRequest("name must be provided");
  return methodNotAllowed(kind, verbs.get(method) ?? "");
}

function checkScope({ kind }: ServedKind, path: ResourcePath): void {
  if (!kind.namespaced && path.namespace !== "") throw noSuchPath();
  if (kind.namespaced && path.namespace === "" && path.name !== "") throw noSuchPath();
}

function watch(exchange: Exchange, target: Target, representation: Representation): void {
  exchange.labels.verb = "watch";
  serveWatch(exchange, target, representation, readIncludeObject(exchange.query));
}

function get(exchange: Exchange, target: Target, representation: Representation): void {
  exchange.labels.verb = "get";
  const { kind, namespace, name } = target;
  const { store } = exchange.context;
  const revision = exchange.query.get("resourceVersion") ?? "";
  checkReached(
    readRevision(revision, (why) => new StatusError(500, "Unknown", why)),
    revision,
    store.revision,
  );
  const entry = store.collection(kind.collection).get(namespace, name);
  if (entry === undefined) throw notFound(kind, name);
  sendEntry(exchange, target, representation, 200, entry);
}

async function list(exchange: Exchange, target: Target, representation: Representation): Promise<void> {
  exchange.labels.verb = "list";
  if (representation.as?.kind === "PartialObjectMetadata") {
    const why = `you requested PartialObjectMetadata, but the requested object is a list (${target.kind.listKind})`;
    throw new StatusError(406, "NotAcceptable", why);
  }
  const { context, query, response } = exchange;
  const { kind, version } = target;
  const { entries, revision, continueToken, remaining } = listPage(
    context,
    kind,
    readListQuery(query, kind, target.namespace),
  );
  const { as, format } = representation;
  const metadata = listMetadata(kind.custom && as === undefined, { revision, continueToken, remaining });
  const objects = (): JsonObject[] => entries.map((entry) => present(kind, version, entry.object));
  if (as?.kind === "Table") {
    const options = {
      apiVersion: `${as.group}/${as.version}`,
      columns: version.columns,
      includeObject: readIncludeObject(query),
      headers: true,
      nowMs: context.clock.now(),
    };
    return send(response, 200, toTable(objects(), metadata, options), format);
  }
  const apiVersion = as === undefined ? groupVersion(kind, version.version) : `${as.group}/${as.version}`;
  const listKind = as === undefined ? kind.listKind : "PartialObjectMetadataList";
  if (as !== undefined || format === "yaml") {
    const items = as === undefined ? objects() : objects().map((object) => toPartial(object, apiVersion));
    return send(response, 200, { kind: listKind, apiVersion, metadata, items }, format);
  }
  const head = `{"kind":${JSON.stringify(listKind)},"apiVersion":${JSON.stringify(apiVersion)},"metadata":${JSON.stringify(metadata)},"items":[`;
  await sendPieces(response, pieces(head, entries, target), "application/json");
}

/** `showsEmpty`: of untyped lists the real server shows the empty token too. */
function listMetadata(
  showsEmpty: boolean,
  { revision, continueToken, remaining }: Pick<ListPage, "revision" | "continueToken" | "remaining">,
): JsonObject {
  return {
    resourceVersion: String(revision),
    ...(continueToken === undefined && !showsEmpty ? {} : { continue: continueToken ?? "" }),
    ...(remaining === undefined ? {} : { remainingItemCount: remaining }),
  };
}

function* pieces(head: string, entries: readonly Entry[], target: Target): Iterable<string> {
  const { kind, version } = target;
  // Items of typed lists do not repeat what the list says.
  const type = `{"apiVersion":${JSON.stringify(groupVersion(kind, version.version))},"kind":${JSON.stringify(kind.kind)},`;
  yield head;
  let separator = "";
  for (const entry of entries) {
    const json = jsonOf(target, entry);
    yield kind.custom || !json.startsWith(type) ? separator + json : `${separator}{${json.slice(type.length)}`;
    separator = ",";
  }
  yield "]}\n";
}

/** The stored JSON itself where the version is the stored one. */
function jsonOf({ kind, version }: Target, entry: Entry): string {
  const shown = present(kind, version, entry.object);
  return shown === entry.object ? entry.json : JSON.stringify(shown);
}

function sendEntry(
  exchange: Exchange,
  target: Target,
  representation: Representation,
  status: number,
  entry: Entry,
): void {
  const { as, format } = representation;
  const { response, query, context } = exchange;
  if (as === undefined) return sendJson(response, status, jsonOf(target, entry), format);
  const { kind, version } = target;
  const object = present(kind, version, entry.object);
  const apiVersion = `${as.group}/${as.version}`;
  if (as.kind !== "Table") return send(response, status, toPartial(object, apiVersion), format);
  const options = {
    apiVersion,
    columns: version.columns,
    includeObject: readIncludeObject(query),
    headers: true,
    nowMs: context.clock.now(),
  };
  send(response, status, toTable([object], tableMetadata(object), options), format);
}

async function create(exchange: Exchange, target: Target, representation: Representation): Promise<void> {
  exchange.labels.verb = "create";
  const options = readWriteOptions(exchange, "CreateOptions");
  const { value, duplicates } = await readObject(exchange);
  const decoded = decodeObject(target, value, { ...options, duplicates });
  const written = createObject(exchange.context, target, decoded, options);
  sendWritten(exchange, target, representation, written);
}

async function replace(exchange: Exchange, target: Target, representation: Representation): Promise<void> {
  exchange.labels.verb = "update";
  const { context } = exchange;
  const { kind, namespace, name, subresource } = target;
  const options = readWriteOptions(exchange, "UpdateOptions");
  const { value, duplicates } = await readObject(exchange);
  const decoded = decodeObject(target, value, { ...options, duplicates });
  const previous = context.store.collection(kind.collection).get(namespace, name);
  if (previous === undefined) {
    if (!kind.createOnUpdate || subresource !== "") throw notFound(kind, name);
    const { uid } = metaOf(decoded);
    if (uid !== undefined)
      throw conflict(kind, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: `);
    const fresh = withMeta(decoded, { resourceVersion: undefined });
    return sendWritten(exchange, target, representation, createObject(context, target, fresh, options));
  }
  sendWritten(exchange, target, representation, replaceObject(context, target, previous, decoded, options));
}

async function patch(exchange: Exchange, target: Target, representation: Representation): Promise<void> {
  const { request, context, limits } = exchange;
  const type = patchTypes.get(mediaType(request.headers["content-type"], ""));
  exchange.labels.verb = type === "apply" ? "apply" : "patch";
  if (type === undefined || (type === "strategic" && target.kind.strategic === undefined))
    throw unsupportedMediaType(acceptedPatches(target));
  const options = readWriteOptions(exchange, "PatchOptions", type === "apply");
  const body = await readBody(request, limits.bodyLimitBytes);
  const written = patchObject(
    context,
    target,
    type,
    type === "apply" ? parseYamlText(body) : parseJson(body, "error decoding patch"),
    options,
  );
  sendWritten(exchange, target, representation, written);
}

function sendWritten(
  exchange: Exchange,
  target: Target,
  representation: Representation,
  { entry, created }: Written,
): void {
  sendEntry(exchange, target, representation, created ? 201 : 200, entry);
}

async function deleteOne(exchange: Exchange, target: Target, representation: Representation): Promise<void> {
  exchange.labels.verb = "delete";
  const { context, response, query } = exchange;
  const { kind, name } = target;
  readInteger(query.get("gracePeriodSeconds"));
  const body = await readOptionalObject(exchange);
  const { entry, gone } = deleteObject(context, target, readDeleteOptions(body, query));
  if (!gone || kind.returnsDeleted === true) return sendEntry(exchange, target, representation, 200, entry);
  const details = {
    name,
    ...(kind.group === "" ? {} : { group: kind.group }),
    kind: kind.plural,
    uid: metaOf(entry.object).uid,
  };
  send(
    response,
    200,
    { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details },
    representation.format,
  );
}

async function deleteAll(exchange: Exchange, target: Target, representation: Representation): Promise<void> {
  exchange.labels.verb = "deletecollection";
  const { context, response, query } = exchange;
  const { kind, version } = target;
  // Namespaces go one by one only: a collection of them would be the whole cluster.
  if ((kind.namespaced && target.namespace === "") || kind.collection === "namespaces") throw refuseMethod(target, "");
  const options = readDeleteOptions(await readOptionalObject(exchange), query);
  const page = listPage(context, kind, readListQuery(query, kind, target.namespace));
  const deleted: Json[] = [];
  for (const entry of page.entries) {
    const one = { ...target, namespace: entry.namespace, name: entry.name };
    deleteObject(context, one, options);
    deleted.push(present(kind, version, entry.object));
  }
  const metadata = listMetadata(kind.custom, page);
  send(
    response,
    200,
    { kind: kind.listKind, apiVersion: groupVersion(kind, version.version), metadata, items: deleted },
    representation.format,
  );
}

async function serveScale(
  exchange: Exchange,
  target: Target,
  representation: Representation,
  method: string,
): Promise<void> {
  const { context, request, response, labels, limits } = exchange;
  const { kind, namespace, name } = target;
  const previous = context.store.collection(kind.collection).get(namespace, name);
  if (previous === undefined) throw notFound(kind, name);
  if (method === "GET") {
    labels.verb = "get";
    return send(response, 200, readScale(target, previous.object), representation.format);
  }
  if (method === "PUT") {
    labels.verb = "update";
    const options = readWriteOptions(exchange, "UpdateOptions");
    return send(
      response,
      200,
      replaceScale(context, target, (await readObject(exchange)).value, options),
      representation.format,
    );
  }
  if (method === "PATCH") {
    labels.verb = "patch";
    const type = patchTypes.get(mediaType(request.headers["content-type"], ""));
    if (type === undefined || type === "apply" || (type === "strategic" && kind.strategic === undefined))
      throw unsupportedMediaType(acceptedPatches(target));
    const options = readWriteOptions(exchange, "PatchOptions");
    const body = parseJson(await readBody(request, limits.bodyLimitBytes));
    return send(response, 200, patchScale(context, target, type, body, options), representation.format);
  }
  throw refuseMethod(target, method);
}

async function readObject({ request, limits }: Exchange): Promise<{ value: Json; duplicates: readonly string[] }> {
  const body = await readBody(request, limits.bodyLimitBytes);
  const type = mediaType(request.headers["content-type"], "application/json");
  const value = parseObject(body, type);
  return { value, duplicates: type === "application/json" ? duplicateFields(body.toString("utf8"), value) : [] };
}

async function readOptionalObject({ request, limits }: Exchange): Promise<JsonObject> {
  const body = await readBody(request, limits.bodyLimitBytes);
  if (body.length === 0) return {};
  const value = parseObject(body, mediaType(request.headers["content-type"], "application/json"));
  if (!isObject(value)) throw badRequest("the body of a delete request must be DeleteOptions");
  const kind = at(value, "kind");
  if (kind !== undefined && kind !== "DeleteOptions")
    throw badRequest(`the body of a delete request must be DeleteOptions, not ${JSON.stringify(kind)}`);
  return value;
}

function readListQuery(query: URLSearchParams, kind: Kind, namespace: string): ListQuery {
  readInteger(query.get("timeoutSeconds"));
  return {
    namespace: namespace === "" ? undefined : namespace,
    selection: readSelection(kind, query),
    limit: Math.max(readInteger(query.get("limit")) ?? 0, 0),
    continueToken: query.get("continue") ?? "",
    resourceVersion: query.get("resourceVersion") ?? "",
    match: query.get("resourceVersionMatch") ?? "",
    sendInitialEvents: readBoolean(query.get("sendInitialEvents")),
  };
}

function readIncludeObject(query: URLSearchParams): IncludeObject {
  const value = query.get("includeObject") ?? "";
  if (value === "" || value === "Metadata") return "Metadata";
  if (value === "None" || value === "Object") return value;
  throw badRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(value)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}

const validations: readonly string[] = ["", "Ignore", "Strict", "Warn"] satisfies (FieldValidation | "")[];
const longestManager = 128;

function readWriteOptions({ query, request, response }: Exchange, name: string, apply = false): WriteOptions {
  const errors = [];
  const dryRun = query.getAll("dryRun").filter((value) => value !== "");
  if (dryRun.some((value) => value !== "All")) errors.push(notSupported("dryRun", dryRun, ["All"]));
  const validation = query.get("fieldValidation") || "Warn";
  if (!validations.includes(validation)) errors.push(notSupported("fieldValidation", validation, validations));
  const manager = query.get("fieldManager") ?? "";
  if (apply && manager === "") errors.push(required("fieldManager", "is required for apply patch"));
  const strange = [...manager].findIndex((character) => /[\p{C}\p{Zl}\p{Zp}]/u.test(character));
  if (strange >= 0) {
    const code = manager.codePointAt(strange)?.toString(16).toUpperCase().padStart(4, "0");
    errors.push(invalidValue("fieldManager", manager, `invalid character U+${code} (at position ${strange})`));
  }
  if (manager.length > longestManager) {
    errors.push({
      type: "FieldValueTooLong" as const,
      field: "fieldManager",
      message: `Too long: may not be more than ${longestManager} bytes`,
    });
  }
  const force = readBoolean(query.get("force"));
  if (!apply && force !== undefined) {
    errors.push({
      type: "FieldValueForbidden" as const,
      field: "force",
      message: "Forbidden: may not be specified for non-apply patch",
    });
  }
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind: name }, "", errors);
  return {
    dryRun: dryRun.length > 0,
    fieldManager: manager || managerOf(request.headers["user-agent"] ?? ""),
    fieldValidation: validation as FieldValidation,
    force: force === true,
    warn: (text) => addWarning(response, text),
  };
}

/** Without a fieldManager the program's name in the User-Agent owns the fields. */
function managerOf(userAgent: string): string {
  return (userAgent.split("/")[0] ?? "").slice(0, longestManager) || "unknown";
}
