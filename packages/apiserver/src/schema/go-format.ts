import type { Json } from "./json.ts";
import { canonicalJson, isObject } from "./json.ts";

// Messages of the real API server are printed by Go's fmt; clients and their tests compare them literally.

const shortEscapes: Readonly<Record<string, string>> = {
  "\u0007": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

/** Go's `%q` of a string. */
export function goQuote(text: string): string {
  let quoted = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const short = shortEscapes[char];
    if (short !== undefined) quoted += short;
    else if (code < 0x20 || code === 0x7f) quoted += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (char === " " || !/[\p{C}\p{Z}]/u.test(char)) quoted += char;
    else if (code <= 0xffff) quoted += `\\u${code.toString(16).padStart(4, "0")}`;
    else quoted += `\\U${code.toString(16).padStart(8, "0")}`;
  }
  return `${quoted}"`;
}

/** Go's `%v` of an int64 or a float64. */
export function goNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 63) return BigInt(value).toString();
  const [mantissa = "0", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < 6) return String(value);
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** What Go's encoding/json makes of a map or a simple value: sorted keys, and escapes for what could end a script in HTML. */
export function goJson(value: Json): string {
  return escapeHtml(canonicalJson(value));
}

/** What Go's encoding/json makes of a struct, or of a list of structs: their own fields keep the order, maps inside have sorted keys. */
export function goStruct(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(goStruct).join(",")}]`;
  if (!isObject(value)) return goJson(value);
  const members = Object.entries(value).map(([key, member]) => `${goJson(key)}:${goJson(member)}`);
  return `{${members.join(",")}}`;
}

function escapeHtml(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
