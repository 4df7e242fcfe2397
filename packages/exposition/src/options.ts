import { inspect, types } from "node:util";
import type { Catalog } from "@almanac/catalog";
import { ExpositionError } from "./error.ts";

interface Rule {
  /** What a value has to be. */
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
}

export const text: Rule = { expected: "text", accepts: (value) => typeof value === "string" };

export const textOrBytes: Rule = {
  expected: "text or bytes",
  accepts: (value) => typeof value === "string" || types.isUint8Array(value),
};

export const port: Rule = {
  expected: "a whole number from 0 to 65535",
  accepts: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535,
};

export const positiveNumber: Rule = {
  expected: "a positive number",
  accepts: (value) => typeof value === "number" && value > 0,
};

export const regularExpression: Rule = {
  expected: "a regular expression, such as /^service\\./",
  accepts: types.isRegExp,
};

export const catalogList: Rule = {
  expected: "an array of what defineCatalog() returned",
  accepts: (value) => Array.isArray(value) && value.every(isCatalog),
};

function isCatalog(value: unknown): value is Catalog {
  return typeof value === "object" && value !== null && "families" in value;
}

export function oneOf(values: readonly string[]): Rule {
  return {
    expected: `one of ${values.join(", ")}`,
    accepts: (value) => typeof value === "string" && values.includes(value),
  };
}

/** Checks options by their rules; those that are undefined are left to their defaults. @throws ExpositionError `invalid_options`. */
export function checkOptions(options: Readonly<Record<string, unknown>>, rules: Readonly<Record<string, Rule>>): void {
  for (const [name, rule] of Object.entries(rules)) {
    if (options[name] !== undefined) checkOption(name, options[name], rule);
  }
}

/** @throws ExpositionError `invalid_options`, also where the value is undefined. */
export function checkOption(name: string, value: unknown, { expected, accepts }: Rule): void {
  if (accepts(value)) return;
  const shown = inspect(value, { depth: 0, maxStringLength: 100, breakLength: Infinity });
  throw new ExpositionError("invalid_options", `${name} must be ${expected}, got ${shown}`);
}
