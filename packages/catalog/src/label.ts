/** A label whose values are all known. A value outside the set is recorded as `other`, so `other` is never spelled out. */
export interface ClosedSet<V extends string = string> {
  readonly kind: "closed";
  readonly values: readonly V[];
  /** True when a process only ever uses the value that is its own owner name, as `component` does. */
  readonly processOwner: boolean;
}

/** A label whose values come from outside: names, versions, addresses. */
export interface OpenSet<Optional extends boolean = boolean> {
  readonly kind: "open";
  /** What a value is, one phrase. */
  readonly description: string;
  /** Values as they may occur, for documentation. */
  readonly examples: readonly string[];
  /** True when a measurement may leave the key out. */
  readonly optional: Optional;
}

/** What a label key may hold. */
export type LabelDomain = ClosedSet | OpenSet;

/** The member every closed set has without spelling it. */
export const otherValue = "other";

/** A closed set of values, in the order documentation shows them. */
export function oneOf<const V extends readonly [string, ...string[]]>(...values: V): ClosedSet<V[number]> {
  return Object.freeze({ kind: "closed", values: Object.freeze([...values]), processOwner: false });
}

/** A closed set of owner names, of which a process uses its own only: zero start leaves the others out. */
export function processOwner<const V extends readonly [string, ...string[]]>(...values: V): ClosedSet<V[number]> {
  return Object.freeze({ kind: "closed", values: Object.freeze([...values]), processOwner: true });
}

/** Any string. `description` says in one phrase what a value is and `examples` shows some; both become the label's documentation. */
export function anyValue(description: string, ...examples: readonly string[]): OpenSet<false> {
  return Object.freeze({ kind: "open", description, examples: Object.freeze([...examples]), optional: false });
}

/** As `anyValue`, for a key that a measurement leaves out where it does not apply. */
export function optionalValue(description: string, ...examples: readonly string[]): OpenSet<true> {
  return Object.freeze({ kind: "open", description, examples: Object.freeze([...examples]), optional: true });
}
