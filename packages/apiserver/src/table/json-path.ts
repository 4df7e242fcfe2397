import type { Json } from "../schema/index.ts";
import { isObject } from "../object.ts";

/** Finds all values of a path in an object, in document order. */
export type JsonPath = (object: Json) => Json[];

type Step = (values: Json[]) => Json[];

/**
 * Compiles the JSONPath that printer columns use: `.a.b`, `['a']`, `[0]`, `[-1]`, `[1:3]`, `[*]`, `.*`, `..a`, `[?(@.a == "x")]`.
 * Undefined when the text is not such a path.
 */
export function compileJsonPath(text: string): JsonPath | undefined {
  const steps = parse(text);
  if (steps === undefined) return undefined;
  return (object) => steps.reduce<Json[]>((values, step) => step(values), [object]);
}

const pattern =
  /\.\.([\w-]+)|\.((?:[^\s.[\]\\]|\\.)+)|\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\*)|(-?\d+)|(-?\d*):(-?\d*)|\?\((.+?)\))\]|\.(?=\[)/y;

function parse(text: string): Step[] | undefined {
  const source = text.startsWith("$") ? text.slice(1) : text;
  const steps: Step[] = [];
  // A filter compiles a path within a path, so the position cannot be shared.
  const scanner = new RegExp(pattern);
  while (scanner.lastIndex < source.length) {
    const match = scanner.exec(source);
    if (match === null) return undefined;
    const step = stepOf(match);
    if (step === undefined) return undefined;
    steps.push(step);
  }
  return steps;
}

function stepOf(match: RegExpExecArray): Step | undefined {
  const [, deep, dotted, single, double, star, index, from, to, filter] = match;
  if (deep !== undefined) return (values) => values.flatMap((value) => descend(value, deep));
  const key = dotted ?? single ?? double;
  if (dotted === "*" || star !== undefined) return (values) => values.flatMap(children);
  if (key !== undefined) return field(key.replaceAll(/\\(.)/g, "$1"));
  if (index !== undefined)
    return (values) => values.flatMap((value) => (Array.isArray(value) ? defined(value.at(Number(index))) : []));
  if (from !== undefined) {
    const start = from === "" ? 0 : Number(from);
    const end = to === undefined || to === "" ? undefined : Number(to);
    return (values) => values.flatMap((value) => (Array.isArray(value) ? value.slice(start, end) : []));
  }
  if (filter !== undefined) {
    const test = compileFilter(filter);
    return test && ((values) => values.flatMap(children).filter(test));
  }
  return (values) => values;
}

function field(key: string): Step {
  return (values) => values.flatMap((value) => own(value, key));
}

function children(value: Json): Json[] {
  if (Array.isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
}

function descend(value: Json, key: string): Json[] {
  return [...own(value, key), ...children(value).flatMap((child) => descend(child, key))];
}

function own(value: Json, key: string): Json[] {
  return isObject(value) && Object.hasOwn(value, key) ? defined(value[key]) : [];
}

function defined(value: Json | undefined): Json[] {
  return value === undefined ? [] : [value];
}

function compileFilter(text: string): ((value: Json) => boolean) | undefined {
  const match = /^\s*@((?:\.|\[).*?)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?)\s*)?$/.exec(text);
  const path = match?.[1] === undefined ? undefined : compileJsonPath(match[1]);
  if (path === undefined) return undefined;
  const [, , operator, literal] = match ?? [];
  if (operator === undefined || literal === undefined) return (value) => path(value).length > 0;
  const wanted = parseLiteral(literal);
  if (wanted === undefined) return undefined;
  return (value) => path(value).some((found) => compare(found, operator, wanted));
}

function parseLiteral(text: string): string | number | boolean | undefined {
  const quoted = /^'(.*)'$|^"(.*)"$/.exec(text);
  if (quoted !== null) return quoted[1] ?? quoted[2] ?? "";
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}

function compare(found: Json, operator: string, wanted: string | number | boolean): boolean {
  if (operator === "==") return found === wanted;
  if (operator === "!=") return found !== wanted;
  if (typeof found !== typeof wanted || found === null || typeof found === "object") return false;
  if (operator === "<") return found < wanted;
  if (operator === ">") return found > wanted;
  return operator === "<=" ? found <= wanted : found >= wanted;
}
