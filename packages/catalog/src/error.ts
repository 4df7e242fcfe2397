import { CodedError } from "@almanac/core";

/**
 * - `invalid_catalog`: a definition breaks a rule of the lint; the message lists every finding.
 * - `family_clash`: two different families share a name; the message names it and both catalogs.
 */
export type CatalogErrorCode = "invalid_catalog" | "family_clash";

/** What defining or combining catalogs can throw. Nothing throws after that. */
export class CatalogError extends CodedError<CatalogErrorCode> {}
