import type { Json, JsonObject } from "../schema/index.ts";
import type { PrinterColumn } from "./columns.ts";
import { textAt } from "../object.ts";

/** `?includeObject=` of a table: what each row carries beside its cells. */
export type IncludeObject = "None" | "Metadata" | "Object";

export interface TableOptions {
  /** `meta.k8s.io/v1` or `meta.k8s.io/v1beta1`. */
  readonly apiVersion: string;
  readonly columns: readonly PrinterColumn[];
  readonly includeObject: IncludeObject;
  readonly headers: boolean;
  readonly nowMs: number;
}

/** A meta.k8s.io Table of `objects` with the list's `metadata`. */
export function toTable(objects: readonly JsonObject[], metadata: JsonObject, options: TableOptions): JsonObject {
  const { columns, includeObject, headers, nowMs, apiVersion } = options;
  return {
    kind: "Table",
    apiVersion,
    metadata,
    columnDefinitions: headers ? columns.map(definition) : [],
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, nowMs)),
      object: rowObject(object, includeObject, apiVersion),
    })),
  };
}

/** The object's metadata alone, as `PartialObjectMetadata`. */
export function toPartial(object: JsonObject, apiVersion: string): JsonObject {
  return { kind: "PartialObjectMetadata", apiVersion, metadata: object.metadata ?? {} };
}

function rowObject(object: JsonObject, include: IncludeObject, apiVersion: string): Json {
  if (include === "None") return null;
  return include === "Object" ? object : toPartial(object, apiVersion);
}

function definition(column: PrinterColumn): JsonObject {
  const { name, type, format = "", description, priority } = column;
  return { name, type, format, description, priority };
}

/** List metadata of a single object's table: its resourceVersion. */
export function tableMetadata(object: JsonObject): JsonObject {
  return { resourceVersion: textAt(object, "metadata", "resourceVersion") };
}
