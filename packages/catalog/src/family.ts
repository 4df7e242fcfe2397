import type { LabelDomain, OpenSet, ClosedSet, otherValue } from "./label.ts";

/** Which processes serve a family. `process` is every process; any other string is a component of the user's own. */
export type Owner = "manager" | "provider" | "gateway" | "virtual-kubelet" | "process" | (string & {});

/** Ids of lint rules that may be accepted per family. */
export type AcceptableRule = "total-suffix" | "type-in-name" | "base-unit";

interface FamilySpecBase {
  /** Label keys in the order documentation and exposition show them. */
  readonly labels: Readonly<Record<string, LabelDomain>>;
  /**
   * Unit of the values in words ("seconds", "bytes"). For documentation and `# UNIT` only, and only where the name ends in it: over OTLP
   * no unit is sent, because consumers would append it to a name that already carries it.
   */
  readonly unit?: string;
  readonly owners: readonly Owner[];
  /** One sentence for `# HELP` and the OTLP description. */
  readonly help: string;
  /** The event that changes the value, one sentence fragment. */
  readonly movesWhen: string;
  /** In words, what must hold for an owner to serve the family at all. Default: always. */
  readonly onlyIf?: string;
  /** Most series the family may have, the overflow series included. Default: 2000, as in the OpenTelemetry SDK. */
  readonly cardinalityLimit?: number;
  /** Lint rules this family breaks on purpose, each with the reason. A rule that would not complain may not be listed. */
  readonly accepts?: Readonly<Partial<Record<AcceptableRule, string>>>;
}

/** A value that only grows. */
export interface CounterSpec extends FamilySpecBase {
  readonly type: "counter";
  /** True: read from its source at collection time instead of being added to. */
  readonly observed?: true;
  readonly instrument?: never;
  readonly buckets?: never;
}

/** A value that goes up and down. */
export interface GaugeSpec extends FamilySpecBase {
  readonly type: "gauge";
  /** `upDownCounter`: recorded by adding and subtracting instead of by setting. */
  readonly instrument?: "upDownCounter";
  /** True: read from its source at collection time, so that it is never stale. */
  readonly observed?: true;
  readonly buckets?: never;
}

/** A distribution over fixed buckets. */
export interface HistogramSpec extends FamilySpecBase {
  readonly type: "histogram";
  /** Upper bounds, strictly increasing and finite; `+Inf` is implied. */
  readonly buckets: readonly number[];
  readonly observed?: never;
  readonly instrument?: never;
}

/** One metric family as its author writes it. */
export type FamilySpec = CounterSpec | GaugeSpec | HistogramSpec;

/** The OpenTelemetry instrument behind a family. */
export type InstrumentKind = "counter" | "upDownCounter" | "gauge" | "histogram";

/** One metric family of a catalog, resolved and frozen. */
export interface Family<S extends FamilySpec = FamilySpec> {
  readonly name: string;
  /** Name of the catalog that defined it, also when another catalog extends that one. */
  readonly catalog: string;
  readonly type: S["type"];
  readonly instrument: InstrumentKind;
  readonly observed: boolean;
  readonly labels: S["labels"];
  /** Keys of `labels`, in declared order. */
  readonly labelKeys: readonly string[];
  /** Present for histograms only. */
  readonly buckets: readonly number[] | undefined;
  readonly unit: string | undefined;
  readonly owners: readonly Owner[];
  readonly help: string;
  readonly movesWhen: string;
  readonly onlyIf: string | undefined;
  readonly cardinalityLimit: number;
  readonly accepts: Readonly<Partial<Record<AcceptableRule, string>>>;
}

type Values<D> = D extends ClosedSet<infer V> ? V | typeof otherValue : string;

type OptionalKeys<L> = { [K in keyof L]: L[K] extends OpenSet<true> ? K : never }[keyof L];

type Simplify<T> = { readonly [K in keyof T]: T[K] };

/** The label object of a family: exactly its keys, each with the values of its domain. */
export type LabelsOfSpec<S extends FamilySpec> = Simplify<
  { readonly [K in Exclude<keyof S["labels"], OptionalKeys<S["labels"]>>]: Values<S["labels"][K]> } & {
    readonly [K in OptionalKeys<S["labels"]>]?: Values<S["labels"][K]>;
  }
>;
