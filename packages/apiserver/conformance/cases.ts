import type { ConformanceCase } from "./case.ts";
import { collectionCases } from "./collection-cases.ts";
import { definitionCases } from "./definition-cases.ts";
import { objectCases } from "./object-cases.ts";
import { patchCases } from "./patch-cases.ts";
import { watchCases } from "./watch-cases.ts";

/** What any server that calls itself a Kubernetes API is held to. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...objectCases,
  ...patchCases,
  ...collectionCases,
  ...definitionCases,
  ...watchCases,
];
