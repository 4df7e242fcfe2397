import type { JsonObject } from "../schema/index.ts";
import type { PrinterColumn } from "../table/columns.ts";
import type { Kind } from "./kind.ts";
import { builtinSchema } from "../apply/index.ts";
import { strategicSchemas } from "../patch/index.ts";
import { compileSchema } from "../schema/index.ts";
import { structural } from "./schema-dsl.ts";

/** What differs between the built-in kinds. */
export interface BuiltinDefinition {
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced?: boolean;
  readonly nameRule?: Kind["nameRule"];
  readonly collection?: string;
  /** apiVersion of the stored form where it is not the kind's own. */
  readonly storageVersion?: string;
  readonly properties: Readonly<Record<string, JsonObject>>;
  readonly columns: readonly PrinterColumn[];
  readonly hasStatus?: boolean;
  readonly scale?: boolean;
  readonly generation?: Kind["generation"];
  readonly unconditionalUpdate?: boolean;
  readonly createOnUpdate?: boolean;
  /** Fields that field selectors may name, with their values. */
  readonly selectable?: Readonly<Record<string, (object: JsonObject) => string>>;
  readonly prepare?: Kind["prepare"];
  readonly assign?: Kind["assign"];
  readonly returnsDeleted?: boolean;
  readonly validate?: Kind["validate"];
  readonly ttlMs?: number;
  readonly fromStored?: (object: JsonObject) => JsonObject;
  readonly toStored?: (object: JsonObject) => JsonObject;
}

export function defineBuiltin(definition: BuiltinDefinition): Kind {
  const { group = "", version = "v1", kind, plural, selectable = {} } = definition;
  const openapi: JsonObject = { type: "object", properties: definition.properties };
  const strategic = strategicSchemas[kind];
  const own = Object.keys(selectable);
  return {
    group,
    kind,
    listKind: `${kind}List`,
    plural,
    singular: kind.toLowerCase(),
    shortNames: definition.shortNames ?? [],
    categories: definition.categories ?? [],
    namespaced: definition.namespaced ?? true,
    collection: definition.collection ?? (group === "" ? plural : `${plural}.${group}`),
    storageVersion: definition.storageVersion ?? version,
    versions: [
      {
        version,
        schema: compileSchema(structural(openapi)),
        openapi,
        merge: builtinSchema(kind),
        columns: definition.columns,
        hasStatus: definition.hasStatus ?? false,
        ...(definition.scale === true
          ? { scale: { specReplicas: ".spec.replicas", statusReplicas: ".status.replicas", labelSelector: undefined } }
          : {}),
        ...(definition.fromStored === undefined ? {} : { fromStored: definition.fromStored }),
        ...(definition.toStored === undefined ? {} : { toStored: definition.toStored }),
      },
    ],
    custom: false,
    strategic: strategic ?? {},
    nameRule: definition.nameRule ?? "subdomain",
    ...(definition.generation === undefined ? {} : { generation: definition.generation }),
    unconditionalUpdate: definition.unconditionalUpdate ?? true,
    createOnUpdate: definition.createOnUpdate ?? false,
    selectable: own,
    selectableValue: (object, field) => selectable[field]?.(object) ?? "",
    unknownField: (field) =>
      own.length === 0
        ? `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`
        : `field label not supported: ${field}`,
    ...(definition.prepare === undefined ? {} : { prepare: definition.prepare }),
    ...(definition.assign === undefined ? {} : { assign: definition.assign }),
    ...(definition.returnsDeleted === undefined ? {} : { returnsDeleted: definition.returnsDeleted }),
    ...(definition.validate === undefined ? {} : { validate: definition.validate }),
    ...(definition.ttlMs === undefined ? {} : { ttlMs: definition.ttlMs }),
  };
}
