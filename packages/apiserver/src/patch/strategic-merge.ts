import type { JsonObject } from "../schema/json.ts";
import type { StrategicSchema } from "./strategic-schemas.ts";
import { mergePatch } from "./merge-patch.ts";

export function strategicMergePatch(target: JsonObject, patch: JsonObject, _schema: StrategicSchema): JsonObject {
  return mergePatch(target, patch) as JsonObject;
}
