import { CatalogError } from "./error.ts";
import type { Family, FamilySpec, InstrumentKind, LabelsOfSpec, Owner } from "./family.ts";
import { lintErrors } from "./lint.ts";

type Families = Readonly<Record<string, FamilySpec>>;

/** A named, frozen set of metric families: the contract of whatever records, serves, documents or checks them. */
export interface Catalog<F extends Families = Families> {
  readonly name: string;
  readonly families: { readonly [N in keyof F]: Family<F[N]> };
}

/** The family definitions a catalog type was made from. */
export type FamiliesOf<C extends Catalog> = C extends Catalog<infer F> ? F : never;

/** The label object of one family of a catalog: a misspelt key or a value outside a closed set does not compile. */
export type LabelsOf<C extends Catalog, N extends keyof FamiliesOf<C>> = LabelsOfSpec<FamiliesOf<C>[N]>;

type UnionToIntersection<U> = (U extends unknown ? (u: U) => void : never) extends (i: infer I) => void ? I : never;

/** All families of the extended catalogs in one record; nothing when none is extended. */
type Inherited<P extends readonly Catalog[]> = P extends readonly []
  ? Record<never, never>
  : UnionToIntersection<FamiliesOf<P[number]>>;

/** Default of `cardinalityLimit`, as in the OpenTelemetry SDK (metrics SDK specification, cardinality limits). */
export const defaultCardinalityLimit = 2000;

/**
 * Checks and freezes a catalog. `name` is lower-case kebab; it names the OpenTelemetry scope and the generated files. The families of
 * `options.extends` become part of the result, each still owned by the catalog that defined it.
 *
 * @throws CatalogError `invalid_catalog` with every error the lint found; `family_clash` when a name is already taken by an extended
 * catalog, or two of those disagree about one.
 */
export function defineCatalog<const F extends Families, const P extends readonly Catalog[] = readonly []>(
  name: string,
  families: F,
  options: { readonly extends?: P } = {},
): Catalog<F & Inherited<P>> {
  const all = new Map(combineFamilies(options.extends ?? []));
  const own: Family[] = [];
  for (const [familyName, spec] of Object.entries(families)) {
    const taken = all.get(familyName);
    if (taken !== undefined) {
      throw new CatalogError(
        "family_clash",
        `catalog "${name}" defines ${familyName}, which it also inherits from catalog "${taken.catalog}"; rename it or leave it out`,
      );
    }
    const family = resolve(name, familyName, spec);
    own.push(family);
    all.set(familyName, family);
  }
  const catalog = Object.freeze({ name, families: Object.freeze(Object.fromEntries(all)) });
  const errors = lintErrors(catalog);
  if (errors.length > 0) {
    const list = errors.map((finding) => `- ${finding.message} (${finding.rule})`).join("\n");
    throw new CatalogError("invalid_catalog", `catalog "${name}" cannot be used:\n${list}`);
  }
  return catalog as unknown as Catalog<F & Inherited<P>>;
}

function resolve(catalog: string, name: string, spec: FamilySpec): Family {
  const instrument: InstrumentKind = spec.type === "gauge" ? (spec.instrument ?? "gauge") : spec.type;
  return Object.freeze({
    name,
    catalog,
    type: spec.type,
    instrument,
    observed: spec.type !== "histogram" && spec.observed === true,
    labels: Object.freeze({ ...spec.labels }),
    labelKeys: Object.freeze(Object.keys(spec.labels)),
    buckets: spec.buckets && Object.freeze([...spec.buckets]),
    unit: spec.unit,
    owners: Object.freeze([...spec.owners]),
    help: spec.help,
    movesWhen: spec.movesWhen,
    onlyIf: spec.onlyIf,
    cardinalityLimit: spec.cardinalityLimit ?? defaultCardinalityLimit,
    accepts: Object.freeze({ ...spec.accepts }),
  });
}

/**
 * Every family of several catalogs by name, in order, a family that arrives by two ways (one catalog extends the other) once.
 *
 * @throws CatalogError `family_clash` when two catalogs define different families of the same name.
 */
export function combineFamilies(catalogs: readonly Catalog[]): ReadonlyMap<string, Family> {
  const all = new Map<string, Family>();
  for (const catalog of catalogs) {
    for (const family of Object.values(catalog.families)) {
      const known = all.get(family.name);
      if (known !== undefined && known !== family) {
        throw new CatalogError(
          "family_clash",
          `${family.name} is defined by catalog "${known.catalog}" and by catalog "${family.catalog}"; a name can mean one thing only, rename one of them`,
        );
      }
      all.set(family.name, family);
    }
  }
  return all;
}

/**
 * The families a process of this owner serves: its own and those of every process. Where `onlyIf` is set, the condition decides whether
 * this one does.
 *
 * @throws CatalogError `family_clash`, as `combineFamilies`.
 */
export function familiesOf(catalogs: readonly Catalog[], owner: Owner): readonly Family[] {
  return [...combineFamilies(catalogs).values()].filter(
    ({ owners }) => owners.includes(owner) || owners.includes("process"),
  );
}
