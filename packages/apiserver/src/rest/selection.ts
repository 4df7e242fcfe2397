import type { Kind } from "../kinds/kind.ts";
import type { JsonObject } from "../schema/index.ts";
import { metaOf } from "../object.ts";
import { parseFieldSelector } from "../selectors/fields.ts";
import { parseLabelSelector } from "../selectors/labels.ts";
import { badRequest } from "../status.ts";

export type EntryMatch = (object: JsonObject) => boolean;

/** What a list or a watch selects by labels and fields. */
export interface Selection {
  /** Undefined when everything passes. */
  readonly match: EntryMatch | undefined;
  /** The one name that can pass, if the field selector says so. */
  readonly name: string | undefined;
}

const noLabels: Readonly<Record<string, string>> = {};

/** Reads labelSelector and fieldSelector. Throws a 400 for selectors it cannot serve. */
export function readSelection(kind: Kind, query: URLSearchParams): Selection {
  const labels = parseLabelSelector(query.get("labelSelector") ?? "");
  const terms = parseFieldSelector(query.get("fieldSelector") ?? "");
  const named = terms.find((term) => term.field === "metadata.name" && !term.negated)?.value;
  for (const { field } of terms) {
    const known =
      field === "metadata.name" ||
      (field === "metadata.namespace" && kind.namespaced) ||
      kind.selectable.includes(field);
    if (!known) throw badRequest(kind.unknownField(field));
  }
  if (labels === undefined && terms.length === 0) return { match: undefined, name: undefined };
  return {
    name: named,
    match: (object) =>
      (labels === undefined || labels(metaOf(object).labels ?? noLabels)) &&
      terms.every(({ field, value, negated }) => (valueOf(kind, object, field) === value) !== negated),
  };
}

function valueOf(kind: Kind, object: JsonObject, field: string): string {
  if (field === "metadata.name") return metaOf(object).name;
  if (field === "metadata.namespace") return metaOf(object).namespace ?? "";
  return kind.selectableValue(object, field);
}
