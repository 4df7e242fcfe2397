import type { ConformanceCase } from "./case.ts";
import { applyCases } from "./apply-cases.ts";
import { collectionCases } from "./collection-cases.ts";
import { definitionCases } from "./definition-cases.ts";
import { deletionCases } from "./deletion-cases.ts";
import { keywordCases } from "./keyword-cases.ts";
import { revisionCases } from "./revision-cases.ts";
import { schemaCases } from "./schema-cases.ts";
import { objectCases } from "./object-cases.ts";
import { ownershipCases } from "./ownership-cases.ts";
import { patchErrorCases } from "./patch-error-cases.ts";
import { patchCases } from "./patch-cases.ts";
import { validationCases } from "./validation-cases.ts";
import { builtinCases } from "./builtin-cases.ts";
import { garbageCases } from "./garbage-cases.ts";
import { formatCases } from "./format-cases.ts";
import { lifecycleCases } from "./lifecycle-cases.ts";
import { watchStartCases } from "./watch-start-cases.ts";
import { watchCases } from "./watch-cases.ts";

/** What any server that calls itself a Kubernetes API is held to. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...objectCases,
  ...validationCases,
  ...patchCases,
  ...patchErrorCases,
  ...applyCases,
  ...ownershipCases,
  ...deletionCases,
  ...garbageCases,
  ...collectionCases,
  ...builtinCases,
  ...formatCases,
  ...lifecycleCases,
  ...definitionCases,
  ...keywordCases,
  ...schemaCases,
  ...revisionCases,
  ...watchCases,
  ...watchStartCases,
];
