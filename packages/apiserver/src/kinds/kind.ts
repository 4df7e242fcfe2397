import type { BuiltinSchema } from "../apply/index.ts";
import type { StrategicSchema } from "../patch/index.ts";
import type { CompiledSchema, FieldError, JsonObject } from "../schema/index.ts";
import type { PrinterColumn } from "../table/columns.ts";

/** Where the scale subresource reads and writes, as dot paths of a CRD. */
export interface ScalePaths {
  readonly specReplicas: string;
  readonly statusReplicas: string;
  readonly labelSelector: string | undefined;
}

/** One served version of a kind. */
export interface KindVersion {
  readonly version: string;
  readonly schema: CompiledSchema;
  /** The schema as OpenAPI publishes it, without apiVersion, kind and metadata. */
  readonly openapi: JsonObject;
  /** List and map types for server-side apply. */
  readonly merge: CompiledSchema | BuiltinSchema;
  readonly columns: readonly PrinterColumn[];
  readonly hasStatus: boolean;
  readonly scale?: ScalePaths;
  /** Sent as a Warning header with every answer of this version. */
  readonly deprecationWarning?: string;
  /** From the stored form to this version; default: only apiVersion differs. */
  readonly fromStored?: (object: JsonObject) => JsonObject;
  readonly toStored?: (object: JsonObject) => JsonObject;
}

/** What a write's hooks may need of the server. */
export interface WriteContext {
  readonly nowMs: number;
  /** The next revision. Unique per write. */
  readonly revision: number;
}

/** A resource that the server serves. */
export interface Kind {
  readonly group: string;
  readonly kind: string;
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Where the objects are stored. Two kinds of different groups may share them. */
  readonly collection: string;
  readonly storageVersion: string;
  /** In the order in which clients should prefer them. */
  readonly versions: readonly KindVersion[];
  readonly custom: boolean;
  /** Strategic merge patches; undefined refuses them. */
  readonly strategic?: StrategicSchema;
  readonly nameRule: "subdomain" | "label" | "label1035";
  /** True for the fields whose change counts up `metadata.generation`; undefined when the kind has none. */
  readonly generation?: (next: JsonObject, previous: JsonObject) => boolean;
  /** Whether an update may leave out the resourceVersion. */
  readonly unconditionalUpdate: boolean;
  /** Whether an update of a missing object creates it. */
  readonly createOnUpdate: boolean;
  /** Values for field selectors beside metadata.name and metadata.namespace. */
  readonly selectable: readonly string[];
  selectableValue(object: JsonObject, field: string): string;
  /** What the real server says of a field that cannot be selected. */
  unknownField(field: string): string;
  /** Fills in defaults, which the writer then owns. Both objects are in the stored version. */
  prepare?(next: JsonObject, previous: JsonObject | undefined, context: WriteContext): JsonObject;
  /** Sets what only the server sets, and nobody owns. Runs after `prepare`. */
  assign?(next: JsonObject, previous: JsonObject | undefined, context: WriteContext): JsonObject;
  validate?(next: JsonObject, previous: JsonObject | undefined): FieldError[];
  /** Whether a deletion answers with the object instead of a Status. */
  readonly returnsDeleted?: boolean;
  /** Objects not written for so long are removed. */
  readonly ttlMs?: number;
  /** Nothing new may be created, e.g. while the definition is being deleted. */
  readonly createRefusal?: string;
}

/** `group/version`, or the version alone for the core group. */
export function groupVersion(kind: Pick<Kind, "group">, version: string): string {
  return kind.group === "" ? version : `${kind.group}/${version}`;
}

/** `object` as served in `version`; the stored object itself when nothing differs. */
export function present(kind: Kind, version: KindVersion, object: JsonObject): JsonObject {
  if (version.fromStored !== undefined) return version.fromStored(object);
  const apiVersion = groupVersion(kind, version.version);
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}

/** `object`, received in `version`, in the form that is stored. */
export function toStored(kind: Kind, version: KindVersion, object: JsonObject): JsonObject {
  if (version.toStored !== undefined) return version.toStored(object);
  const apiVersion = groupVersion(kind, kind.storageVersion);
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}
