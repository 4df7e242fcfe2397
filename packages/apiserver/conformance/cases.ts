import type { ConformanceCase } from "./case.ts";
import { applyCases } from "./apply-cases.ts";
import { collectionCases } from "./collection-cases.ts";
import { definitionCases } from "./definition-cases.ts";
import { deletionCases } from "./deletion-cases.ts";
import { objectCases } from "./object-cases.ts";
import { patchCases } from "./patch-cases.ts";
import { validationCases } from "./validation-cases.ts";
import { watchCases } from "./watch-cases.ts";

/** What any server that calls itself a Kubernetes API is held to. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...objectCases,
  ...validationCases,
  ...patchCases,
  ...applyCases,
  ...deletionCases,
  ...collectionCases,
  ...definitionCases,
  ...watchCases,
];
