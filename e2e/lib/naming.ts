import type { Renaming } from "./expected-series.ts";

/** Names as the instruments have them. */
export const kept: Renaming = { family: (name) => name, label: (key) => key };

/**
 * Names under an escaping scheme of Prometheus: classic ones stay, of others every character beyond `[a-zA-Z0-9_:]` (in labels `:` too)
 * is written in another way.
 */
function escaped(scheme: (character: string, classic: boolean) => string, prefix = ""): Renaming {
  const escape = (name: string, legal: RegExp): string =>
    [...name].every((character) => legal.test(character))
      ? name
      : prefix + [...name].map((character) => scheme(character, legal.test(character))).join("");
  return { family: (name) => escape(name, /[a-zA-Z0-9_:]/), label: (key) => escape(key, /[a-zA-Z0-9_]/) };
}

export const underscores: Renaming = escaped((character, classic) => (classic ? character : "_"));

export const dots: Renaming = escaped((character, classic) => {
  if (character === "_") return "__";
  if (character === ".") return "_dot_";
  return classic ? character : "__";
});

export const values: Renaming = escaped((character, classic) => {
  if (character === "_") return "__";
  return classic ? character : `_${(character.codePointAt(0) ?? 0).toString(16)}_`;
}, "U__");

/**
 * Names as the Collector's Prometheus exporter has them with `UnderscoreEscapingWithoutSuffixes`: the parts between other characters
 * joined by `_`, in labels a `_` for each of them.
 */
export const collected: Renaming = {
  family: (name) => name.match(/[a-zA-Z0-9_:]+/g)?.join("_") ?? "",
  label: (key) => underscores.label(key),
};
