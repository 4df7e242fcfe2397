export { PatchError } from "./error.ts";
export { jsonPatch } from "./json-patch.ts";
export { mergePatch } from "./merge-patch.ts";
export { strategicMergePatch } from "./strategic-merge.ts";
export { strategicSchemas } from "./strategic-schemas.ts";
export type { PatchErrorCode } from "./error.ts";
export type { StrategicField, StrategicSchema } from "./strategic-schemas.ts";
