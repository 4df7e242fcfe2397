import { describeError } from "@almanac/core";

const hidden = "[redacted]";
const unreadable = "[unreadable]";

// Words that make a field a secret wherever they stand in its name: `dbPassword`, `x-api-key`, `secret_access_key`, `Set-Cookie`.
const secretName =
  /pass(word|wd|phrase)|secret|token|authori[sz]ation|cookie|credential|bearer|(api|access|private|client|encryption|signing)[-_.]?key/i;
// Unless the field says something about the secret: where it is, how it is called, how many there are.
const aboutSecret = /(name|namespace|ref|refs|file|path|count|kind|version|expiry|seconds|ms|at)$/i;

// Fields the logger itself writes; a caller's of the same name would make the line ambiguous.
const reserved = new Set(["level", "time", "service", "msg", "trace_id", "span_id", "trace_flags"]);

const secretNames = new Map<string, boolean>();
const maxNames = 1_000;
const maxNameLength = 100;

// What every text with a secret in it has somewhere; most texts have none of it.
const suspicious = /-----BEGIN|bearer|basic|:\/\//i;

const maxDepth = 8;
const maxItems = 100;
const maxText = 8192;

/**
 * A copy of a log line's fields that is safe to write: values of fields named like secrets, the data of Kubernetes Secrets, bearer
 * tokens, private keys and passwords within addresses are replaced; errors become their name, code, message and stack; depth, length of
 * lists and of texts are bounded. Fields that would clash with the line's own get a trailing underscore. Never throws.
 */
export function withoutSecrets(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(fields)) {
    const value = read(fields, key);
    const name = reserved.has(key) ? `${key}_` : key;
    try {
      copy[name] = isSecretName(key, value) ? hidden : clean(value, 0, []);
    } catch {
      // Proxies can refuse to be looked at, and a line is not worth an exception.
      copy[name] = unreadable;
    }
  }
  return copy;
}

function isSecretName(key: string, value: unknown): boolean {
  if (value === undefined || value === null || typeof value === "boolean" || typeof value === "number") return false;
  let known = secretNames.get(key);
  if (known === undefined) {
    known = secretName.test(key) && !aboutSecret.test(key);
    // Names come from code, and are short and few, unless somebody logs what users made up.
    if (secretNames.size >= maxNames) secretNames.clear();
    if (key.length <= maxNameLength) secretNames.set(key, known);
  }
  return known;
}

function clean(value: unknown, depth: number, parents: readonly object[]): unknown {
  if (typeof value === "string") return cleanText(value);
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function")
    return cleanText(String(value));
  if (typeof value !== "object" || value === null) return value;
  if (parents.includes(value)) return "[circular]";
  if (depth >= maxDepth) return "[too deep]";
  if (value instanceof Error) return describe(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid date" : value.toISOString();
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  const inside = [...parents, value];
  if (value instanceof Map) return clean(Object.fromEntries(value), depth, inside);
  if (value instanceof Set) return clean([...value], depth, inside);
  if (Array.isArray(value)) {
    const items = value.slice(0, maxItems).map((item) => clean(item, depth + 1, inside));
    return value.length > maxItems ? [...items, `[${value.length - maxItems} more]`] : items;
  }
  const isSecret = read(value, "kind") === "Secret";
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value).slice(0, maxItems)) {
    const item = read(value, key);
    const hide = isSecretName(key, item) || (isSecret && (key === "data" || key === "stringData"));
    copy[key] = hide ? hidden : clean(item, depth + 1, inside);
  }
  return copy;
}

/** A getter may throw. */
function read(object: object, key: string): unknown {
  try {
    return (object as Record<string, unknown>)[key];
  } catch {
    return unreadable;
  }
}

function describe(error: Error): Record<string, unknown> {
  const code = (error as { readonly code?: unknown }).code;
  return {
    type: error.name,
    ...((typeof code === "string" || typeof code === "number") && { code }),
    message: cleanText(describeError(error)),
    stack: cleanText(error.stack ?? ""),
  };
}

function cleanText(text: string): string {
  if (text.length <= maxText && !suspicious.test(text)) return text;
  // Hiding comes first, so that a cut never leaves half a secret that is no longer recognised.
  const safe = text
    .slice(0, 4 * maxText)
    .replace(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, hidden)
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${hidden}`)
    .replace(/([a-z0-9+.-]:\/\/[^\s:/@]*:)[^\s/@]+@/gi, `$1${hidden}@`);
  return safe.length > maxText ? `${safe.slice(0, maxText)}… (${text.length} characters)` : safe;
}
