import type { Kind } from "../kinds/kind.ts";
import type { Collection } from "../store/collection.ts";
import type { Entry } from "../store/entry.ts";
import type { ServerContext } from "./context.ts";
import type { EntryMatch, Selection } from "./selection.ts";
import type { StatusError } from "../status.ts";
import type { FieldError } from "../schema/index.ts";
import { badRequest, expired, invalid, tooLargeResourceVersion } from "../status.ts";
import { decodeContinue, encodeContinue } from "./continue-token.ts";
import { forbiddenField, notSupported } from "../schema/index.ts";

export interface ListQuery {
  readonly namespace: string | undefined;
  readonly selection: Selection;
  /** 0: no limit. */
  readonly limit: number;
  readonly continueToken: string;
  readonly resourceVersion: string;
  readonly match: string;
  /** Means nothing to a list, and is refused. */
  readonly sendInitialEvents: boolean | undefined;
}

export interface ListPage {
  readonly entries: readonly Entry[];
  readonly revision: number;
  readonly continueToken: string | undefined;
  readonly remaining: number | undefined;
}

const largestRevision = 2n ** 64n - 1n;

/** Reads a resourceVersion parameter: a number, or undefined when it is empty. Throws what `refuse` makes for anything else. */
export function readRevision(
  text: string,
  refuse = (why: string): StatusError => badRequest(`invalid resource version: ${why}`),
): number | undefined {
  if (text === "") return undefined;
  const isNumber = /^\d+$/.test(text);
  if (!isNumber || BigInt(text) > largestRevision) {
    const problem = isNumber ? "value out of range" : "invalid syntax";
    const quoted = JSON.stringify(text);
    throw refuse(`resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: ${problem}`);
  }
  return Number(text);
}

/** Throws for a resourceVersion that has not been given out yet. */
export function checkReached(wanted: number | undefined, text: string, current: number): void {
  if (wanted !== undefined && wanted > current) throw tooLargeResourceVersion(text, current);
}

/** One page of a list, consistent with the first page's revision. */
export function listPage(context: ServerContext, kind: Kind, query: ListQuery): ListPage {
  checkQuery(query);
  const { store } = context;
  const collection = store.collection(kind.collection);
  const { selection, namespace } = query;
  const token = query.continueToken === "" ? undefined : decodeContinue(query.continueToken);
  const wanted = readRevision(query.resourceVersion);
  // What any cache may answer comes whole.
  const limit = wanted === 0 ? 0 : query.limit;
  if (token !== undefined) {
    if (wanted !== undefined && wanted !== 0)
      throw badRequest("specifying resource version is not allowed when using continue");
    const revision = token.revision < 0 ? store.revision : token.revision;
    const entries = at(collection, store.revision, revision, namespace, token.start);
    return page(entries, {
      revision,
      limit,
      selection,
      namespace,
      start: namespace === undefined ? token.start.slice(1) : `${namespace}${token.start}`,
    });
  }
  checkReached(wanted, query.resourceVersion, store.revision);
  const exact = query.match === "Exact" || (query.match === "" && limit > 0 && wanted !== undefined && wanted > 0);
  const revision = exact && wanted !== undefined ? wanted : store.revision;
  const entries = at(collection, store.revision, revision, namespace, undefined);
  return page(entries, { revision, limit, selection, namespace, start: "" });
}

function at(
  collection: Collection,
  current: number,
  revision: number,
  namespace: string | undefined,
  start: string | undefined,
): readonly Entry[] {
  if (revision === current) return collection.sorted(namespace);
  const entries = collection.sortedAt(revision, namespace);
  if (entries !== undefined) return entries;
  if (start === undefined) throw expired("The resourceVersion for the provided list is too old.");
  throw expired(
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    encodeContinue({ revision: -1, start }),
  );
}

interface PageOptions {
  readonly revision: number;
  readonly limit: number;
  readonly selection: Selection;
  readonly namespace: string | undefined;
  /** Key of the last entry of the page before; empty for the first page. */
  readonly start: string;
}

function page(entries: readonly Entry[], options: PageOptions): ListPage {
  const { revision, limit, selection, namespace, start } = options;
  const { match } = selection;
  const found: Entry[] = [];
  let index = start === "" ? 0 : firstAfter(entries, start);
  for (; index < entries.length && (limit === 0 || found.length < limit); index++) {
    const entry = entries[index];
    if (entry !== undefined && (match === undefined || match(entry.object))) found.push(entry);
  }
  const last = found.at(-1);
  const more = index < entries.length && last !== undefined && (match === undefined || rest(entries, index, match));
  return {
    entries: found,
    revision,
    continueToken: more ? encodeContinue({ revision, start: relativeKey(last, namespace) }) : undefined,
    remaining: more && match === undefined ? entries.length - index : undefined,
  };
}

/** Tokens do not repeat the namespace that the path names. */
function relativeKey({ key, name }: Entry, namespace: string | undefined): string {
  return namespace === undefined ? `/${key}` : `/${name}`;
}

function rest(entries: readonly Entry[], from: number, match: EntryMatch): boolean {
  for (let index = from; index < entries.length; index++) {
    const entry = entries[index];
    if (entry !== undefined && match(entry.object)) return true;
  }
  return false;
}

/** Index of the first entry whose key is greater than `key`. */
function firstAfter(entries: readonly Entry[], key: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle]?.key ?? "") <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function checkQuery(query: ListQuery): void {
  const errors = query.match === "" ? [] : matchProblems(query);
  if (query.sendInitialEvents !== undefined)
    errors.push(forbiddenField("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  if (errors.length > 0) throw invalidListOptions(errors);
}

function matchProblems(query: ListQuery): FieldError[] {
  const field = "resourceVersionMatch";
  const errors: FieldError[] = [];
  if (query.resourceVersion === "")
    errors.push(forbiddenField(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
  if (query.continueToken !== "")
    errors.push(forbiddenField(field, "resourceVersionMatch is forbidden when continue is provided"));
  if (query.match !== "Exact" && query.match !== "NotOlderThan")
    errors.push(notSupported(field, query.match, ["Exact", "NotOlderThan", ""]));
  if (query.match === "Exact" && query.resourceVersion === "0") {
    errors.push(forbiddenField(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  return errors;
}

export function invalidListOptions(errors: Parameters<typeof invalid>[2]): StatusError {
  return invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", errors);
}
