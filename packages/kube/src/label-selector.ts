const key = "[A-Za-z0-9][-A-Za-z0-9_./]*";
const present = new RegExp(`^(!?)\\s*(${key})$`);
const equal = new RegExp(`^(${key})\\s*(==?|!=)\\s*([-A-Za-z0-9_.]*)$`);
const among = new RegExp(`^(${key})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);

/** Whether an object with these labels is selected. */
type LabelMatch = (labels: Readonly<Record<string, string>>) => boolean;

/**
 * Reads a label selector as the API does. Undefined for what this does not know, which only the server can answer then. Source: Kubernetes,
 * concepts "Labels and Selectors".
 */
export function parseLabelSelector(text: string): LabelMatch | undefined {
  // Commas between parentheses separate values.
  const requirements = text.split(/,(?![^(]*\))/).map((part) => parseRequirement(part.trim()));
  if (!requirements.every((matches) => matches !== undefined)) return undefined;
  return (labels) => requirements.every((matches) => matches(labels));
}

function parseRequirement(text: string): LabelMatch | undefined {
  if (text === "") return () => true;
  const [, not, name] = present.exec(text) ?? [];
  if (name !== undefined) return (labels) => Object.hasOwn(labels, name) === (not === "");
  const [, one, sign, value] = equal.exec(text) ?? [];
  if (one !== undefined) return member(one, [value ?? ""], sign !== "!=");
  const [, many, word, values] = among.exec(text) ?? [];
  if (many !== undefined)
    return member(
      many,
      (values ?? "").split(",").map((entry) => entry.trim()),
      word === "in",
    );
  return undefined;
}

/** What has no such label is in no set: `!=` and `notin` select it. */
function member(name: string, values: readonly string[], wanted: boolean): LabelMatch {
  return (labels) => {
    const value = Object.hasOwn(labels, name) ? labels[name] : undefined;
    return (value !== undefined && values.includes(value)) === wanted;
  };
}
