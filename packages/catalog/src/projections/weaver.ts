import { stringify } from "yaml";
import { combineFamilies } from "../catalog.ts";
import type { Catalog } from "../catalog.ts";
import type { Family } from "../family.ts";
import { otherValue } from "../label.ts";
import type { LabelDomain } from "../label.ts";

/** One generated file. */
export interface GeneratedFile {
  /** Relative path with forward slashes. */
  readonly path: string;
  readonly text: string;
}

const registryVersion = "0.1.0";
const stability = "development";

/**
 * The catalogs as a semantic-convention registry of OpenTelemetry Weaver (semantic convention definition language, version 1): the
 * manifest, one attribute group with every label key, and one file of metric groups per catalog. Paths are relative to the registry.
 *
 * An attribute is one thing in a registry, while a closed set belongs to a family: an attribute has the values of all families together,
 * and each reference notes those of its own family.
 *
 * @throws CatalogError `family_clash` when two of the catalogs disagree about a name.
 */
export function toWeaverRegistry(catalogs: readonly Catalog[]): readonly GeneratedFile[] {
  const families = [...combineFamilies(catalogs).values()];
  const attributes = mergeDomains(families);
  return [
    yamlFile("registry_manifest.yaml", {
      name: "almanac",
      description: "Metric families of Kubernetes control planes, generated from the typed catalogs.",
      semconv_version: registryVersion,
      schema_base_url: "https://almanac.dev/schemas/",
    }),
    yamlFile("attributes.yaml", {
      groups: [
        {
          id: "registry.almanac",
          type: "attribute_group",
          display_name: "Label keys",
          brief: "Every label key of every catalog.",
          attributes: [...attributes].map(([key, domain]) => attribute(key, domain)),
        },
      ],
    }),
    ...[...Map.groupBy(families, (family) => family.catalog)].map(([catalog, own]) =>
      yamlFile(`${catalog}.yaml`, { groups: own.map((family) => metricGroup(family, attributes)) }),
    ),
  ];
}

/** Per label key what any family allows: open as soon as one is open, otherwise the union of the sets. */
function mergeDomains(families: readonly Family[]): ReadonlyMap<string, LabelDomain> {
  const merged = new Map<string, LabelDomain>();
  for (const [key, domain] of families.flatMap((family) => Object.entries(family.labels))) {
    const known = merged.get(key);
    if (known === undefined) merged.set(key, domain);
    else if (known.kind === "closed" && domain.kind === "open") merged.set(key, domain);
    else if (known.kind === "closed" && domain.kind === "closed") {
      merged.set(key, { ...known, values: [...new Set([...known.values, ...domain.values])] });
    }
  }
  return merged;
}

function attribute(key: string, domain: LabelDomain) {
  if (domain.kind === "open") {
    return {
      id: key,
      type: "string",
      stability,
      brief: sentence(domain.description),
      ...(domain.examples.length > 0 && { examples: [...domain.examples] }),
    };
  }
  const members = [...domain.values, otherValue].map((value) => ({ id: memberId(value), value, stability }));
  return { id: key, type: { members }, stability, brief: `One of ${domain.values.length} values, or ${otherValue}.` };
}

function metricGroup(family: Family, attributes: ReadonlyMap<string, LabelDomain>) {
  return {
    id: `metric.${family.name}`,
    type: "metric",
    metric_name: family.name,
    stability,
    brief: family.help,
    note: sentence(`moves when ${family.movesWhen}`),
    instrument: family.instrument.toLowerCase(),
    // What is sent: the name carries the unit, and a consumer that was sent one would append it again.
    unit: "",
    ...(family.labelKeys.length > 0 && {
      attributes: Object.entries(family.labels).map(([key, domain]) => reference(key, domain, attributes.get(key))),
    }),
    annotations: {
      almanac: {
        prometheus_type: family.type,
        owners: [...family.owners],
        ...(family.onlyIf !== undefined && { only_if: family.onlyIf }),
        ...(family.unit !== undefined && { measured_in: family.unit }),
        ...(family.buckets !== undefined && { buckets: [...family.buckets] }),
        cardinality_limit: family.cardinalityLimit,
      },
    },
  };
}

function reference(key: string, domain: LabelDomain, merged: LabelDomain | undefined) {
  if (domain.kind === "open") {
    return {
      ref: key,
      requirement_level: domain.optional ? { conditionally_required: sentence(domain.description) } : "required",
      // A brief of its own only where the shared one describes something else.
      ...(merged?.kind === "open" &&
        merged.description !== domain.description && { brief: sentence(domain.description) }),
    };
  }
  const narrower = merged?.kind !== "closed" || merged.values.length > domain.values.length;
  return {
    ref: key,
    requirement_level: "required",
    ...(narrower && { note: `Values: ${domain.values.join(", ")}, ${otherValue}.` }),
  };
}

function memberId(value: string): string {
  return value.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function yamlFile(path: string, content: unknown): GeneratedFile {
  const header = "# Generated from the catalogs by `npm run generate`. Change the catalog, not this file.\n";
  return { path, text: header + stringify(content, { lineWidth: 0, aliasDuplicateObjects: false }) };
}
