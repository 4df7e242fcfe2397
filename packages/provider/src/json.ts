import { ProviderError } from "./error.ts";

/** Checks one value of a JSON document and returns it typed. `path` names it in the error: `class_json.CPU`. */
export type JsonReader<T> = (value: unknown, path: string) => T;

/** One reader per key; keys that are not listed are kept as they are. */
type JsonFields<T> = { readonly [K in keyof T]-?: JsonReader<NonNullable<T[K]>> };

/**
 * Parses `text`, the content of the request field `field`. Blank text and `null` give `absent`.
 *
 * @throws ProviderError INVALID_ARGUMENT that names the field, or the key inside it, and what was expected.
 */
export function decodeJson<T>(text: string, field: string, reader: JsonReader<T>, absent: T): T {
  if (text.trim() === "") return absent;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new ProviderError("INVALID_ARGUMENT", `${field}: ${syntaxProblem(thrown)}`);
  }
  return value === null ? absent : reader(value, field);
}

// V8 quotes the surroundings of the mistake, and a document may hold passwords; the token and the position are enough.
function syntaxProblem(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : "not valid JSON";
  return message.replace(/, (\.\.\.)?".*"(\.\.\.)? is not valid JSON$/s, " is not valid JSON");
}

/** A JSON object with known keys. A key that is `null` counts as left out. */
export function object<T extends object>(fields: JsonFields<T>): JsonReader<T> {
  const readers = Object.entries<JsonReader<unknown>>(fields as Record<string, JsonReader<unknown>>);
  return (value, path) => {
    if (!isObject(value)) throw wrong(path, "an object", value);
    const result: Record<string, unknown> = { ...value };
    for (const [key, reader] of readers) {
      const present = result[key];
      if (present === null || present === undefined) delete result[key];
      else result[key] = reader(present, `${path}.${key}`);
    }
    return result as T;
  };
}

/** A JSON array; a null element is refused like any other wrong one. */
export function list<T>(reader: JsonReader<T>): JsonReader<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw wrong(path, "a list", value);
    return value.map((element: unknown, index) => reader(element, `${path}[${index}]`));
  };
}

/** A JSON object whose keys are not known but whose values are alike. */
export function map<T>(reader: JsonReader<T>): JsonReader<Readonly<Record<string, T>>> {
  return (value, path) => {
    if (!isObject(value)) throw wrong(path, "an object", value);
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, reader(entry, `${path}.${key}`)]));
  };
}

/** A string, empty ones included. */
export const string: JsonReader<string> = (value, path) => {
  if (typeof value !== "string") throw wrong(path, "a string", value);
  return value;
};

/** true or false. */
export const boolean: JsonReader<boolean> = (value, path) => {
  if (typeof value !== "boolean") throw wrong(path, "true or false", value);
  return value;
};

/** A whole number from 0 to the largest a double counts exactly. */
export const whole: JsonReader<number> = (value, path) => {
  if (typeof value !== "number") throw wrong(path, "a number", value);
  if (!Number.isSafeInteger(value) || value < 0) throw wrong(path, "a whole number of at least 0", value);
  return value;
};

/** Anything at all. */
export const anything: JsonReader<unknown> = (value) => value;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(path: string, expected: string, value: unknown): ProviderError {
  return new ProviderError("INVALID_ARGUMENT", `${path}: expected ${expected}, got ${shown(value)}`);
}

// Long strings are cut: they may be whole cloud-init documents.
function shown(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string" && value.length > 40) return `a string of ${value.length} characters`;
  return JSON.stringify(value) ?? typeof value;
}
