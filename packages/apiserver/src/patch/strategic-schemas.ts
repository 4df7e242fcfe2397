/** How a strategic merge patch treats one field. Fields not named: objects merge, lists are replaced. */
export interface StrategicField {
  /** Key of the list's objects (absent on a merged list of primitives). */
  readonly mergeKey?: string;
  /** `merge` (lists), `replace` (objects that are otherwise merged), `retainKeys` (unions). */
  readonly strategy?: readonly ("merge" | "replace" | "retainKeys")[];
  /** Fields of the object, or of the list's objects. */
  readonly fields?: Readonly<Record<string, StrategicField>>;
}

/** The patch strategies of one kind. */
export type StrategicSchema = Pick<StrategicField, "fields">;

/** By kind. */
export const strategicSchemas: Readonly<Record<string, StrategicSchema>> = {};
