/** The list and map types of a built-in kind. */
export interface BuiltinSchema {
  readonly kind: string;
}

export function builtinSchema(kind: string): BuiltinSchema {
  return { kind };
}
