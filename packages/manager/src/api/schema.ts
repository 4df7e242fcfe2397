/**
 * Builders for the structural schemas of the custom resources. One description gives both the OpenAPI v3 schema of the
 * CustomResourceDefinition and the TypeScript type of the object, so the two cannot drift apart.
 */

/** An OpenAPI v3 structural schema node, as `apiextensions.k8s.io/v1` has it. */
interface JsonSchema {
  readonly [key: string]: unknown;
}

/** A schema node that describes values of type `T`. `T` exists at compile time only. */
export interface Schema<T> {
  readonly json: JsonSchema;
  readonly isRequired: boolean;
  readonly type?: T;
}

interface RequiredSchema<T> extends Schema<T> {
  readonly isRequired: true;
}

type Fields = Readonly<Record<string, Schema<unknown>>>;
type RequiredKeys<F extends Fields> = { [K in keyof F]: F[K] extends RequiredSchema<unknown> ? K : never }[keyof F];
type ValueOf<S> = S extends Schema<infer T> ? T : never;

/** The object type that a set of fields describes: required fields present, all others optional. */
type FieldsOf<F extends Fields> = { -readonly [K in RequiredKeys<F>]: ValueOf<F[K]> } & {
  -readonly [K in Exclude<keyof F, RequiredKeys<F>>]?: ValueOf<F[K]>;
};

interface StringOptions {
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly default?: string;
}

interface NumberOptions {
  readonly format?: "int32" | "int64";
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: number;
}

function schema<T>(json: JsonSchema): Schema<T> {
  return { json, isRequired: false };
}

export function string(options: StringOptions = {}): Schema<string> {
  return schema({ type: "string", ...options });
}

/** An RFC 3339 date and time. */
export function dateTime(): Schema<string> {
  return schema({ type: "string", format: "date-time" });
}

export function oneOf<const V extends string>(
  values: readonly V[],
  options: { readonly default?: NoInfer<V> } = {},
): Schema<V> {
  return schema({ type: "string", enum: values, ...options });
}

export function integer(options: NumberOptions = {}): Schema<number> {
  return schema({ type: "integer", ...options });
}

export function boolean(options: { readonly default?: boolean } = {}): Schema<boolean> {
  return schema({ type: "boolean", ...options });
}

/** A number or its text, as Kubernetes quantities are written. */
export function intOrString(options: StringOptions = {}): Schema<number | string> {
  return schema({ "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }], ...options });
}

export function list<T>(
  items: Schema<T>,
  options: { readonly minItems?: number; readonly maxItems?: number } = {},
): Schema<T[]> {
  return schema({ type: "array", items: items.json, ...options });
}

export function map<T>(
  values: Schema<T>,
  options: { readonly maxProperties?: number } = {},
): Schema<Record<string, T>> {
  return schema({ type: "object", additionalProperties: values.json, ...options });
}

export function object<const F extends Fields>(fields: F): Schema<FieldsOf<F>> {
  const properties = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.json]));
  const requiredNames = Object.keys(fields).filter((name) => fields[name]?.isRequired);
  return schema({
    type: "object",
    ...(requiredNames.length > 0 ? { required: requiredNames } : {}),
    properties,
  });
}

/** Marks a field as required wherever its parent is present. */
export function required<T>(field: Schema<T>): RequiredSchema<T> {
  return { ...field, isRequired: true };
}

/** A part of a pod template that is handed to the Deployment as it is. */
export function preserved(): Schema<unknown> {
  return schema({ "x-kubernetes-preserve-unknown-fields": true });
}

/** Name of an object in the same namespace. */
export function reference(): Schema<{ name: string }> {
  return object({ name: required(string({ maxLength: 253, pattern: patterns.label })) });
}

/** Name of an object, in the same namespace unless another is given. */
export function namespacedReference(): Schema<{ name: string; namespace?: string }> {
  return object({
    name: required(string({ maxLength: 253, pattern: patterns.label })),
    namespace: string({ maxLength: 63, pattern: patterns.label }),
  });
}

/** `status.conditions` in the Kubernetes convention, one per type. */
export function conditions(): Schema<Condition[]> {
  const condition = object({
    lastTransitionTime: required(dateTime()),
    message: required(string({ maxLength: 32768 })),
    observedGeneration: integer({ format: "int64", minimum: 0 }),
    reason: required(string({ minLength: 1, maxLength: 1024, pattern: patterns.reason })),
    status: required(oneOf(["True", "False", "Unknown"])),
    type: required(string({ maxLength: 316, pattern: patterns.qualified })),
  });
  return schema({
    type: "array",
    items: condition.json,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
  });
}

/** One entry of `status.conditions`. */
export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason: string;
  message: string;
  lastTransitionTime: string;
  observedGeneration?: number;
}

const octet = "(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)";

/** The patterns that several fields share. */
export const patterns = {
  label: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
  quantity: String.raw`^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$`,
  ipv4: String.raw`^(${octet}\.){3}${octet}$`,
  mac: "^([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2})$",
  reason: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
  qualified: String.raw`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`,
};
