import type { Kind } from "../kinds/kind.ts";
import type { Collection } from "../store/collection.ts";
import type { Entry } from "../store/entry.ts";
import type { ServerContext } from "./context.ts";
import type { EntryMatch, Selection } from "./selection.ts";
import type { StatusError } from "../status.ts";
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
}

export interface ListPage {
  readonly entries: readonly Entry[];
  readonly revision: number;
  readonly continueToken: string | undefined;
  readonly remaining: number | undefined;
}

/** Reads a resourceVersion parameter: a number, or undefined when it is empty. Throws for anything else. */
export function readRevision(text: string): number | undefined {
  if (text === "") return undefined;
  if (!/^\d{1,19}$/.test(text))
    throw badRequest(
      `invalid resource version: resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
}

/** One page of a list, consistent with the first page's revision. */
export function listPage(context: ServerContext, kind: Kind, query: ListQuery): ListPage {
  checkQuery(query);
  const { store } = context;
  const collection = store.collection(kind.collection);
  const { limit, selection, namespace } = query;
  const wanted = readRevision(query.resourceVersion);
  if (query.continueToken !== "") {
    if (wanted !== undefined && wanted !== 0)
      throw badRequest("specifying resource version is not allowed when using continue");
    const token = decodeContinue(query.continueToken);
    const revision = token.revision < 0 ? store.revision : token.revision;
    return page(
      at(collection, store.revision, revision, namespace, token.start),
      revision,
      limit,
      selection,
      token.start,
    );
  }
  if (wanted !== undefined && wanted > store.revision) throw tooLargeResourceVersion(wanted, store.revision);
  const exact = query.match === "Exact" || (query.match === "" && limit > 0 && wanted !== undefined && wanted > 0);
  const revision = exact && wanted !== undefined ? wanted : store.revision;
  return page(at(collection, store.revision, revision, namespace, undefined), revision, limit, selection, "");
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

function page(
  entries: readonly Entry[],
  revision: number,
  limit: number,
  { match }: Selection,
  start: string,
): ListPage {
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
    continueToken: more ? encodeContinue({ revision, start: last.key }) : undefined,
    remaining: more && match === undefined ? entries.length - index : undefined,
  };
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
  if (query.match === "") return;
  const field = "resourceVersionMatch";
  const errors = [];
  if (query.resourceVersion === "")
    errors.push(forbiddenField(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
  if (query.continueToken !== "")
    errors.push(forbiddenField(field, "resourceVersionMatch is forbidden when continue is provided"));
  if (query.match !== "Exact" && query.match !== "NotOlderThan")
    errors.push(notSupported(field, query.match, ["Exact", "NotOlderThan", ""]));
  if (query.match === "Exact" && query.resourceVersion === "0") {
    errors.push(forbiddenField(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  if (errors.length > 0) throw invalidListOptions(errors);
}

export function invalidListOptions(errors: Parameters<typeof invalid>[2]): StatusError {
  return invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", errors);
}
