export { compileSchema } from "./compile.ts";
export { SchemaError } from "./error.ts";
export {
  duplicate,
  forbidden as forbiddenField,
  invalid as invalidValue,
  invalidStruct,
  notSupported,
  required,
  tooLong,
  tooMany,
} from "./field-error.ts";
export { goJson, goQuote } from "./go-format.ts";
export type { CompiledSchema, CompileSchemaOptions } from "./compile.ts";
export type { FieldError } from "./field-error.ts";
export type { Json, JsonObject } from "./json.ts";
export type { SchemaErrorCode } from "./error.ts";
export type { SchemaNode } from "./node.ts";
