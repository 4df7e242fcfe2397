import { otherValue } from "@almanac/catalog";
import type { Family, ViolationReason } from "@almanac/catalog";
import type { Attributes } from "@opentelemetry/api";

/** What became of labels that were not right as they were. */
interface Repair {
  /** Labels to record with, absent when the measurement has to be dropped. */
  readonly labels: Attributes | undefined;
  /** What was wrong, absent when nothing was: an optional label that is there but undefined. */
  readonly violation?: Violation;
}

/** One way in which labels do not fit their family. */
export interface Violation {
  readonly reason: Exclude<ViolationReason, "cardinality">;
  /** The label key in question. */
  readonly key: string;
  /** The value in question, where there is one. */
  readonly value?: unknown;
}

interface LabelKey {
  readonly key: string;
  /** The closed set with its implicit member, or undefined for an open one. */
  readonly allowed: ReadonlySet<string> | undefined;
  readonly optional: boolean;
}

/** Checks the labels of one family. */
interface LabelCheck {
  /** True when the labels can be recorded as they are. Allocates nothing. */
  fits(labels: Attributes | null): boolean;
  /** For labels that do not fit: a repaired copy, or why there is none. */
  repair(labels: Attributes | null): Repair;
}

/** Builds the check of a family's labels. A value outside its closed set is repaired to `other`; a wrong set of keys is not repaired. */
export function createLabelCheck(family: Family): LabelCheck {
  const keys: readonly LabelKey[] = Object.entries(family.labels).map(([key, domain]) => ({
    key,
    allowed: domain.kind === "closed" ? new Set([...domain.values, otherValue]) : undefined,
    optional: domain.kind === "open" && domain.optional,
  }));
  const declared = new Set(family.labelKeys);

  return {
    fits(labels) {
      // Untyped callers may pass null, or labels that a prototype holds and the SDK would not see.
      if (labels === null || Object.getPrototypeOf(labels) !== Object.prototype) return false;
      let present = 0;
      for (const { key, allowed, optional } of keys) {
        const value = labels[key];
        if (typeof value === "string") {
          if (allowed !== undefined && !allowed.has(value)) return false;
          present++;
        } else if (value !== undefined || !optional) {
          return false;
        }
      }
      // for-in counts without building an array of keys; a key too many makes the count negative.
      for (const _key in labels) if (--present < 0) return false;
      return true;
    },

    repair(given) {
      const labels = Object(given ?? {}) as Attributes;
      const unknown = Object.keys(labels).find((key) => !declared.has(key));
      if (unknown !== undefined) return { labels: undefined, violation: { reason: "unknown_key", key: unknown } };
      const repaired: Record<string, string> = {};
      let violation: Violation | undefined;
      for (const { key, allowed, optional } of keys) {
        const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
        if (value === undefined || value === null) {
          if (optional) continue;
          return { labels: undefined, violation: { reason: "missing_key", key } };
        }
        if (typeof value === "string" && (allowed === undefined || allowed.has(value))) {
          repaired[key] = value;
          continue;
        }
        violation ??= { reason: "value", key, value };
        // A number or boolean in an open label has an obvious spelling; anything else would be made up.
        const spelled = allowed === undefined && (typeof value === "number" || typeof value === "boolean");
        repaired[key] = spelled ? String(value) : otherValue;
      }
      return violation === undefined ? { labels: repaired } : { labels: repaired, violation };
    },
  };
}
