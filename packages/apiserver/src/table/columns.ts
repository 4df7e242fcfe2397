import type { Json, JsonObject } from "../schema/index.ts";
import { isObject, textAt } from "../object.ts";
import { goJson } from "../schema/index.ts";
import { age } from "./age.ts";
import { compileJsonPath } from "./json-path.ts";

/** One column of the table that kubectl prints. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format?: string;
  readonly description: string;
  /** 0 is always shown, others with `-o wide`. */
  readonly priority: number;
  cell(object: JsonObject, nowMs: number): Json;
}

export const nameColumn: PrinterColumn = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name of the object, unique among objects of its kind in its namespace.",
  priority: 0,
  cell: (object) => textAt(object, "metadata", "name"),
};

export const ageColumn: PrinterColumn = {
  name: "Age",
  type: "string",
  description: "Time since the object was created.",
  priority: 0,
  cell: (object, nowMs) => age(textAt(object, "metadata", "creationTimestamp"), nowMs),
};

/** A column of a built-in kind. */
export function column(
  name: string,
  type: PrinterColumn["type"],
  cell: PrinterColumn["cell"],
  options: { readonly priority?: number; readonly description?: string } = {},
): PrinterColumn {
  return {
    name,
    type,
    cell,
    description: options.description ?? `${name} of the object.`,
    priority: options.priority ?? 0,
  };
}

/**
 * A CRD's additionalPrinterColumns entry. Of several matches only the first is shown, as the real server does.
 * Undefined when its jsonPath cannot be parsed.
 */
export function customColumn(definition: JsonObject): PrinterColumn | undefined {
  const path = textAt(definition, "jsonPath");
  const find = compileJsonPath(path);
  if (find === undefined) return undefined;
  const type = textAt(definition, "type") as PrinterColumn["type"];
  const format = textAt(definition, "format");
  return {
    name: textAt(definition, "name"),
    type,
    ...(format === "" ? {} : { format }),
    description: textAt(definition, "description") || `Custom resource definition column (in JSONPath format): ${path}`,
    priority: typeof definition.priority === "number" ? definition.priority : 0,
    cell: (object, nowMs) => cellOf(type, find(object)[0], nowMs),
  };
}

function cellOf(type: PrinterColumn["type"], value: Json | undefined, nowMs: number): Json {
  if (value === undefined || value === null) return null;
  switch (type) {
    case "integer":
      return typeof value === "number" ? Math.trunc(value) : null;
    case "number":
      return typeof value === "number" ? value : null;
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "date":
      return typeof value === "string" ? age(value, nowMs) : null;
    case "string":
      return isObject(value) || Array.isArray(value) ? goJson(value) : String(value);
  }
}
