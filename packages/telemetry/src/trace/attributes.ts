import type { Attributes, AttributeValue } from "@opentelemetry/api";
import { AddAttributeDecision, cleanAttributes, maybeAddAttribute } from "@opentelemetry/core";

export interface AttributeLimits {
  readonly attributeCountLimit: number;
  /** Characters of a text; longer ones are cut. */
  readonly attributeValueLengthLimit: number;
}

/** What became of an attribute. */
export type Written = "added" | "replaced" | "dropped" | "left out";

/**
 * Writes one attribute as the official SDK does: keys must not be empty, values must be what OTLP can carry, limits hold. Nearly all
 * values are short texts, numbers and booleans, about which there is nothing to find out; the rest is left to the official function, which
 * makes a WeakSet for each value to look for circles.
 */
export function writeAttribute(
  attributes: Attributes,
  count: number,
  key: string,
  value: AttributeValue,
  limits: AttributeLimits,
): Written {
  if (isSimple(value, limits) && isUsual(key)) {
    const isNew = !Object.hasOwn(attributes, key);
    if (isNew && count >= limits.attributeCountLimit) return "dropped";
    attributes[key] = value;
    return isNew ? "added" : "replaced";
  }
  const decision = maybeAddAttribute({ key, value, attributes, limits, currentAttributesCount: count });
  switch (decision) {
    case AddAttributeDecision.ADD_NEW:
      return "added";
    case AddAttributeDecision.ADD_OVERWRITE_EXISTING:
      return "replaced";
    case AddAttributeDecision.DROP_LIMIT_REACHED:
      return "dropped";
    case AddAttributeDecision.DROP_UNDEFINED:
    case AddAttributeDecision.DROP_INVALID:
      return "left out";
  }
}

/** A copy of what may stay, as the official SDK makes it, and how many attributes were dropped. */
export function copyAttributes(
  given: Attributes | null | undefined,
  limits: AttributeLimits,
): { readonly attributes: Attributes; readonly count: number; readonly dropped: number } {
  let count = 0;
  // What a literal lists is its own; to ask for every key would take as long as all the rest.
  if (given === null || given === undefined) return { attributes: {}, count: 0, dropped: 0 };
  if (Object.getPrototypeOf(given) !== Object.prototype) return copyWithCare(given, limits);
  for (const key in given) {
    if (!isSimple(given[key], limits) || !isUsual(key)) return copyWithCare(given, limits);
    count++;
  }
  if (count > limits.attributeCountLimit) return copyWithCare(given, limits);
  // One by one they would be looked up by name, which takes ten times as long.
  return { attributes: { ...given }, count, dropped: 0 };
}

function copyWithCare(given: Attributes, limits: AttributeLimits): ReturnType<typeof copyAttributes> {
  const { attributes = {}, droppedAttributesCount = 0 } = cleanAttributes(given, limits);
  return { attributes, count: Object.keys(attributes).length, dropped: droppedAttributesCount };
}

function isUsual(key: string): boolean {
  return key.length > 0 && key !== "__proto__";
}

function isSimple(value: unknown, limits: AttributeLimits): value is string | number | boolean {
  if (typeof value === "string") return value.length <= limits.attributeValueLengthLimit;
  return typeof value === "number" || typeof value === "boolean";
}
