import { sanitizeLabel, sanitizeName, translateName, type NamedMetric } from "./name.ts";

/**
 * How names of instruments outside of any catalog become names on the page (OpenTelemetry specification, "Prometheus Metrics Exporter",
 * `translation_strategy`): whether characters beyond `[a-zA-Z0-9_:]` become `_`, and whether the unit and `_total` are appended.
 */
export type TranslationStrategy = (typeof translationStrategies)[number];

export const translationStrategies = [
  "UnderscoreEscapingWithSuffixes",
  "UnderscoreEscapingWithoutSuffixes",
  "NoUTF8EscapingWithSuffixes",
  "NoTranslation",
] as const;

/** How a scraper wants names that the classic alphabet cannot write; `allow-utf-8` is: as they are, in quotes. */
export type Escaping = "underscores" | "dots" | "values" | "allow-utf-8";

/** The naming rules of one page. Two pages with equal `id` have equal names. */
export interface Naming {
  readonly id: string;
  /** `undefined` when nothing usable is left of the name. */
  metric(metric: NamedMetric): { readonly name: string; readonly unit: string } | undefined;
  readonly label: (key: string) => string;
}

export function createNaming(strategy: TranslationStrategy, escaping: Escaping): Naming {
  const suffixes = strategy === "UnderscoreEscapingWithSuffixes" || strategy === "NoUTF8EscapingWithSuffixes";
  const underscores = strategy.startsWith("Underscore");
  if (underscores) {
    return {
      // What these strategies make of a name is in the classic alphabet, so the scraper's wish changes nothing.
      id: "underscores",
      label: sanitizeLabel,
      metric: (metric) => {
        const translated = translateName(metric, { suffixes, name: sanitizeName });
        return translated !== undefined && /[a-zA-Z0-9]/.test(translated.name) ? translated : undefined;
      },
    };
  }
  return {
    id: escaping,
    label: (key) => labelName(escapeName(wellFormed(key), escaping, false)),
    metric: (metric) => {
      const translated = translateName(metric, { suffixes, name: wellFormed });
      if (translated === undefined || translated.name === "") return undefined;
      return { name: escapeName(translated.name, escaping, true), unit: escapeName(translated.unit, escaping, true) };
    },
  };
}

// As a label `__name__` would be a second name of the metric, for which Prometheus rejects the page. The others call it `_name_`, too.
function labelName(escaped: string): string {
  return escaped === "__name__" ? "_name_" : escaped || "_";
}

// Half a surrogate pair cannot be written in UTF-8, and Prometheus' lexers take a NUL for the end of the page.
function wellFormed(name: string): string {
  return name.toWellFormed().replaceAll("\0", "\uFFFD");
}

/** Whether a name can be written without quotes. */
export function isClassicName(name: string, colons: boolean): boolean {
  return colons ? /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) : /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name);
}

/**
 * A name under one of the escaping schemes of Prometheus
 * (https://prometheus.io/docs/instrumenting/escaping_schemes/). Classic names stay as they are.
 */
function escapeName(name: string, escaping: Escaping, colons: boolean): string {
  if (escaping === "allow-utf-8" || isClassicName(name, colons)) return name;
  let escaped = escaping === "values" ? "U__" : "";
  let first = true;
  for (const character of name) {
    const legal = /^[a-zA-Z_:]$/.test(character) || (!first && /^[0-9]$/.test(character));
    const classic = legal && (colons || character !== ":");
    first = false;
    if (escaping === "underscores") escaped += classic ? character : "_";
    else if (character === "_") escaped += "__";
    else if (classic) escaped += character;
    else if (escaping === "values") escaped += `_${(character.codePointAt(0) ?? 0).toString(16)}_`;
    else escaped += character === "." ? "_dot_" : "__";
  }
  return escaped;
}
