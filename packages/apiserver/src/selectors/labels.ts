import { labelValueProblems, qualifiedNameProblems } from "../kinds/names.ts";
import { goQuote } from "../schema/index.ts";
import { badRequest } from "../status.ts";

export type LabelMatch = (labels: Readonly<Record<string, string>>) => boolean;

const token = /\s*(!=|==|=|!|,|\(|\)|<|>|[^\s!=,()<>]+)/y;

/**
 * Parses a label selector: `a=b`, `a==b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a`, `!a`, `a>1`, `a<1`, joined by commas.
 * Undefined for the empty selector, which everything passes. Throws a 400 for anything else.
 */
export function parseLabelSelector(text: string): LabelMatch | undefined {
  const tokens = tokenize(text);
  const requirements: LabelMatch[] = [];
  let position = 0;

  function expect(...allowed: readonly string[]): string {
    const next = tokens[position++];
    if (next === undefined || !allowed.includes(next))
      throw refuse(`found '${next ?? ""}', expected: ${allowed.map((one) => `'${one}'`).join(" or ")}`);
    return next;
  }

  function word(): string {
    const next = tokens[position];
    if (next === undefined || isSymbol(next)) return "";
    position++;
    return next;
  }

  function values(key: string): Set<string> {
    expect("(");
    const found = new Set<string>();
    for (;;) {
      found.add(checkValue(key, word()));
      if (expect(",", ")") === ")") return found;
    }
  }

  /** The value of an equality; none at all is the empty one. */
  function single(): string {
    const next = tokens[position];
    if (next !== undefined && next !== "," && isSymbol(next)) throw refuse(`found '${next}', expected: identifier`);
    return word();
  }

  function requirement(): LabelMatch {
    if (tokens[position] === "!") {
      position++;
      const key = checkKey(word(), tokens[position] ?? "");
      return (labels) => of(labels, key) === undefined;
    }
    const key = checkKey(word(), tokens[position] ?? "");
    const operator = tokens[position];
    if (operator === undefined || operator === ",") return (labels) => of(labels, key) !== undefined;
    position++;
    switch (operator) {
      case "=":
      case "==": {
        const value = checkValue(key, single());
        return (labels) => of(labels, key) === value;
      }
      case "!=": {
        const value = checkValue(key, single());
        return (labels) => of(labels, key) !== value;
      }
      case "in": {
        const set = values(key);
        return (labels) => set.has(of(labels, key) ?? "") && of(labels, key) !== undefined;
      }
      case "notin": {
        const set = values(key);
        return (labels) => of(labels, key) === undefined || !set.has(of(labels, key) ?? "");
      }
      case "<":
      case ">": {
        const text = word();
        if (!/^[+-]?\d+$/.test(text))
          throw refuse(
            `values[0]: Invalid value: ${goQuote(text)}: for 'Gt', 'Lt' operators, the value must be an integer`,
          );
        const bound = Number(text);
        const sign = operator === "<" ? -1 : 1;
        return (labels) => /^[+-]?\d+$/.test(of(labels, key) ?? "") && (Number(of(labels, key)) - bound) * sign > 0;
      }
      default:
        throw refuse(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
    }
  }

  if (tokens.length === 0) return undefined;
  for (;;) {
    requirements.push(requirement());
    if (position >= tokens.length) break;
    const next = tokens[position++];
    if (next !== ",") throw badRequest(`found '${next ?? ""}', expected: ',' or 'end of string'`);
    // A comma at the end is what the real parser refuses too.
    if (position >= tokens.length) throw badRequest("found '', expected: identifier after ','");
  }
  return (labels) => requirements.every((match) => match(labels));
}

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const start = token.lastIndex;
    const match = token.exec(text);
    if (match?.[1] === undefined) {
      if (text.slice(start).trim() === "") break;
      throw refuse(`unexpected character at ${start}`);
    }
    tokens.push(match[1]);
  }
  return tokens;
}

function isSymbol(text: string): boolean {
  return /^(!=|==|=|!|,|\(|\)|<|>)$/.test(text);
}

function checkKey(key: string, found: string): string {
  if (key === "") throw badRequest(`found '${found}', expected: !, identifier, or 'end of string'`);
  const problems = qualifiedNameProblems(key);
  if (problems.length > 0) throw refuse(`<nil>: Invalid value: ${goQuote(key)}: ${problems.join("; ")}`);
  return key;
}

function checkValue(key: string, value: string): string {
  const problems = labelValueProblems(value);
  if (problems.length > 0) throw refuse(`values[0][${key}]: Invalid value: ${goQuote(value)}: ${problems.join("; ")}`);
  return value;
}

function refuse(why: string): Error {
  return badRequest(`unable to parse requirement: ${why}`);
}

function of(labels: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}
