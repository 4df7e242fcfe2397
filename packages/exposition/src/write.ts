import type { Family } from "./family.ts";
import { escapeHelp } from "./label.ts";
import { formatBound, formatValue } from "./number.ts";

/** Prometheus text 0.0.4, or OpenMetrics 1.0.0. */
export type Format = "text" | "openmetrics";

/**
 * A page in text 0.0.4: HELP and TYPE once per family, then its samples, no timestamps.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function writeText(families: readonly Family[]): string {
  let page = "";
  for (const family of families) {
    if (family.help !== "") page += `# HELP ${family.name} ${escapeHelp(family.help, false)}\n`;
    page += `# TYPE ${family.name} ${family.type === "info" ? "gauge" : family.type}\n`;
    page += family.type === "histogram" ? histogramLines(family, false) : valueLines(family);
  }
  return page;
}

/**
 * A page in OpenMetrics 1.0.0 with exactly the series names of the text page. That format lets a `counter` have no other sample than
 * its family's name plus `_total`; where keeping the name is impossible so, the family is `unknown`:
 * a counter without `_total`, and one whose name less `_total` is another family.
 * No timestamps, no `_created`. https://prometheus.io/docs/specs/om/open_metrics_spec/
 */
export function writeOpenMetrics(families: readonly Family[]): string {
  const names = new Set(families.map((family) => family.name));
  let page = "";
  for (const family of families) {
    const { name, type } = openMetricsHead(family, names);
    page += `# TYPE ${name} ${type}\n`;
    // The unit must be the end of the family's name; otherwise a strict parser rejects the page.
    if (family.unit !== "" && name.endsWith(`_${family.unit}`)) page += `# UNIT ${name} ${family.unit}\n`;
    if (family.help !== "") page += `# HELP ${name} ${escapeHelp(family.help, true)}\n`;
    page += family.type === "histogram" ? histogramLines(family, true) : valueLines(family);
  }
  return `${page}# EOF\n`;
}

const suffixes = { counter: "_total", info: "_info" } as const;

function openMetricsHead(
  { name, type }: Family,
  names: ReadonlySet<string>,
): { readonly name: string; readonly type: string } {
  if (type === "gauge" || type === "histogram") return { name, type };
  const base = name.slice(0, -suffixes[type].length);
  const fits = base !== "" && name.endsWith(suffixes[type]) && !names.has(base);
  return fits ? { name: base, type } : { name, type: "unknown" };
}

function valueLines(family: Exclude<Family, { type: "histogram" }>): string {
  let lines = "";
  for (const [labels, value] of family.points) {
    lines +=
      labels === "" ? `${family.name} ${formatValue(value)}\n` : `${family.name}{${labels}} ${formatValue(value)}\n`;
  }
  return lines;
}

function histogramLines(family: Extract<Family, { type: "histogram" }>, openMetrics: boolean): string {
  let lines = "";
  for (const [labels, { bounds, counts, count, sum }] of family.points) {
    const head = `${family.name}_bucket{${labels === "" ? "" : `${labels},`}le="`;
    let seen = 0;
    for (const [index, bound] of bounds.entries()) {
      seen += counts[index] ?? 0;
      lines += `${head}${formatBound(bound, openMetrics)}"} ${seen}\n`;
    }
    lines += `${head}+Inf"} ${count}\n`;
    const tail = labels === "" ? "" : `{${labels}}`;
    // A sum that may fall is no counter: OpenMetrics forbids it with negative bounds, and the count comes with the sum or not at all.
    const summed = sum !== undefined && (!openMetrics || ((bounds[0] ?? 0) >= 0 && sum >= 0));
    if (summed) lines += `${family.name}_sum${tail} ${formatValue(sum)}\n`;
    if (summed || !openMetrics) lines += `${family.name}_count${tail} ${count}\n`;
  }
  return lines;
}
