import type { Catalog } from "./catalog.ts";
import { rules } from "./lint-rules.ts";

/** One complaint about a catalog. */
export interface Finding {
  /** Id of the rule, API. */
  readonly rule: string;
  /** An error makes `defineCatalog` throw; a warning is for the author to weigh. */
  readonly severity: "error" | "warning";
  /** Name of the family, absent where the catalog itself is meant. */
  readonly family?: string;
  /** What is wrong and what to do about it. */
  readonly message: string;
}

/** One rule of the lint: a pure function with its reason. */
export interface LintRule {
  readonly id: string;
  readonly severity: Finding["severity"];
  /** Why the rule exists, one sentence. */
  readonly why: string;
  /** The document the rule comes from. */
  readonly source: string;
  check(catalog: Catalog): readonly Finding[];
}

/** Every finding of every rule, errors and warnings, in the order of the rules. */
export function lintCatalog(catalog: Catalog): readonly Finding[] {
  return rules.flatMap((rule) => rule.check(catalog));
}

/** The findings that make a catalog unusable. */
export function lintErrors(catalog: Catalog): readonly Finding[] {
  return rules.filter((rule) => rule.severity === "error").flatMap((rule) => rule.check(catalog));
}
