import { badRequest } from "../status.ts";

export interface FieldTerm {
  readonly field: string;
  readonly value: string;
  readonly negated: boolean;
}

/**
 * Parses a field selector: `a=b`, `a==b`, `a!=b`, joined by commas; backslash escapes `\`, `,` and `=`.
 * Throws a 400 for a term without operator or with an unknown escape.
 */
export function parseFieldSelector(text: string): readonly FieldTerm[] {
  const terms: FieldTerm[] = [];
  for (const part of splitTerms(text)) {
    if (part === "") continue;
    const match = /^((?:[^\\=!]|\\.|!(?!=))*)(!=|==|=)([^]*)$/.exec(part);
    const [, field, operator, value] = match ?? [];
    if (field === undefined || value === undefined)
      throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
    terms.push({ field, value: unescape(value, text), negated: operator === "!=" });
  }
  return terms;
}

function splitTerms(text: string): string[] {
  const parts: string[] = [];
  let part = "";
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (character === "\\") part += character + text.charAt(++index);
    else if (character === ",") {
      parts.push(part);
      part = "";
    } else part += character;
  }
  return [...parts, part];
}

function unescape(value: string, selector: string): string {
  return value.replace(/\\(.?)|=/g, (found, escaped: string | undefined) => {
    if (found === "=" || escaped === undefined || !["\\", ",", "="].includes(escaped)) {
      throw badRequest(`invalid selector: '${selector}'; invalid escape sequence or unescaped character in '${value}'`);
    }
    return escaped;
  });
}
