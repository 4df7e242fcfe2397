import { combineFamilies } from "../catalog.ts";
import type { Catalog } from "../catalog.ts";
import type { Family, Owner } from "../family.ts";
import type { LabelDomain } from "../label.ts";

/**
 * The catalogs as a Markdown reference page: per catalog a table of its families and then each family with everything it promises. A
 * family inherited from another of the catalogs appears there.
 *
 * @throws CatalogError `family_clash` when two of the catalogs disagree about a name.
 */
export function toMarkdown(catalogs: readonly Catalog[]): string {
  const byCatalog = Map.groupBy(combineFamilies(catalogs).values(), (family) => family.catalog);
  const sections = [...byCatalog].flatMap(([catalog, families]) => [
    `## Catalog \`${catalog}\``,
    table(
      ["family", "type", "labels", "served by"],
      families.map((family) => [
        `[\`${family.name}\`](#${family.name})`,
        family.type,
        family.labelKeys.map(code).join(", ") || "–",
        family.owners.map(ownerText).join(", "),
      ]),
    ),
    ...families.map(familySection),
  ]);
  return [head, ...sections].join("\n\n") + "\n";
}

const head = `# Catalog reference

<!-- Generated from the catalogs by \`npm run generate\`. Change the catalog, not this page. -->

Every metric family, exactly as it is served: names, types and label keys are the same on a direct scrape, over OTLP and behind a
Collector. A label that lists its values is a closed set; a value outside it is recorded as \`other\`. Each family holds a limited number of
series, after which new ones are summed up in one series with the label \`otel_metric_overflow="true"\`.`;

function familySection(family: Family): string {
  const facts = [
    `- Type: ${typeText(family)}`,
    `- Served by: ${family.owners.map(ownerText).join(", ")}${family.onlyIf === undefined ? "" : `, if ${family.onlyIf}`}`,
    `- Moves when: ${family.movesWhen}`,
    ...(family.unit === undefined ? [] : [`- Unit: ${family.unit}`]),
    ...Object.entries(family.labels).map(([key, domain]) => `- Label ${code(key)}: ${domainText(domain)}`),
    ...(family.buckets === undefined ? [] : [`- Buckets: ${family.buckets.join(", ")}`]),
    `- Most series: ${family.cardinalityLimit}`,
    ...Object.values(family.accepts).map((reason) => `- Against convention: ${reason}`),
  ];
  return `### ${family.name}\n\n${family.help}\n\n${facts.join("\n")}`;
}

function typeText({ type, instrument, observed }: Family): string {
  if (observed) return `${type}, read at collection time`;
  return instrument === "upDownCounter" ? `${type} (in OpenTelemetry an up-down counter)` : type;
}

function domainText(domain: LabelDomain): string {
  if (domain.kind === "closed") return domain.values.map(code).join(", ");
  const examples = domain.examples.length === 0 ? "" : `, such as ${domain.examples.map(code).join(" or ")}`;
  return `${domain.description}${examples}`;
}

function ownerText(owner: Owner): string {
  return owner === "process" ? "every process" : owner;
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Cells padded to a common width, the form Markdown formatters leave alone. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
