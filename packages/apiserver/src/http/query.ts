import { badRequest } from "../status.ts";

/** Reads a flag of the query: everything but `false` and `0` is true, as apimachinery converts it. Undefined when it is absent or empty. */
export function readBoolean(text: string | null): boolean | undefined {
  if (text === null || text === "") return undefined;
  return text !== "0" && text.toLowerCase() !== "false";
}

/** Reads a whole number of the query; undefined when it is absent or empty. Throws a 400 for anything else. */
export function readInteger(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  if (!/^[+-]?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}
