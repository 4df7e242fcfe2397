import type { Json } from "../schema/json.ts";
import { deepCopy, deepEqual, deepestNesting, getOwn, isObject, nestsDeeperThan, setOwn } from "../schema/json.ts";
import { PatchError } from "./error.ts";

/** As the API server has it: more operations than this are refused before any is applied. */
const mostOperations = 10_000;
/** Bytes that all copy operations of one patch may add: doubling a document takes one operation, so thirty of them are a bomb. */
const copyLimitBytes = 3 * 1024 * 1024;

/**
 * `target` after the operations of a JSON patch (RFC 6902), which is applied as a whole or not at all. Neither argument is changed.
 * As in the real server, and against the RFC, a replacement may add a member, and a value that is left out is null.
 *
 * Throws PatchError: `test_failed` when a test operation does not hold, `invalid` for everything else, with the number of the
 * operation and its path.
 */
export function jsonPatch(target: Json, operations: unknown): Json {
  if (!Array.isArray(operations)) throw new PatchError("invalid", "a JSON patch is a list of operations");
  if (operations.length > mostOperations) {
    const message = `a JSON patch may have at most ${mostOperations} operations, got ${operations.length}`;
    throw new PatchError("invalid", message);
  }
  if (nestsDeeperThan(operations, deepestNesting) || nestsDeeperThan(target, deepestNesting)) {
    throw new PatchError("invalid", `objects and lists may nest at most ${deepestNesting} levels deep`);
  }
  const document = { root: deepCopy(target) };
  let copiedBytes = 0;
  for (const [index, operation] of (operations as Json[]).entries()) {
    const where = `operation ${index}`;
    const { op, path } = readOperation(operation, where);
    const at = `${where} (${op} ${path})`;
    const tokens = parsePointer(path, at);
    const from = (): string[] => parsePointer(readText(operation, "from", at), at);
    switch (op) {
      case "add":
        add(document, tokens, deepCopy(readValue(operation)), at);
        break;
      case "remove":
        remove(document, tokens, at);
        break;
      case "replace": {
        const value = deepCopy(readValue(operation));
        if (tokens.length === 0) document.root = value;
        else {
          // A list item is overwritten in place; adding would push the others away.
          const parent = parentOf(document.root, tokens, at);
          const key = tokens[tokens.length - 1] ?? "";
          if (!Array.isArray(parent)) setOwn(parent, key, value);
          else if (isIndex(key) && Number(key) < parent.length) parent[Number(key)] = value;
          else throw missing(at);
        }
        break;
      }
      case "move": {
        const source = from();
        if (source.length < tokens.length && source.every((token, position) => token === tokens[position])) {
          throw new PatchError("invalid", `${at}: a value cannot move into itself`);
        }
        add(document, tokens, remove(document, source, at), at);
        break;
      }
      case "copy": {
        const value = find(document.root, from());
        if (value === undefined) throw missing(at, "from");
        copiedBytes += sizeOf(value);
        if (copiedBytes > copyLimitBytes) {
          throw new PatchError("invalid", `${at}: copies may add at most ${copyLimitBytes} bytes`);
        }
        add(document, tokens, deepCopy(value), at);
        // Copying a value into itself deepens the document with every operation.
        if (nestsDeeperThan(document.root, deepestNesting)) {
          throw new PatchError("invalid", `${at}: objects and lists may nest at most ${deepestNesting} levels deep`);
        }
        break;
      }
      case "test": {
        const expected = readValue(operation);
        const actual = find(document.root, tokens);
        if (actual === undefined || !deepEqual(actual, expected)) {
          throw new PatchError("test_failed", `${at}: the value is another one`);
        }
        break;
      }
      default:
        throw new PatchError("invalid", `${at}: op must be one of add, remove, replace, move, copy, test`);
    }
  }
  if (nestsDeeperThan(document.root, deepestNesting)) {
    throw new PatchError("invalid", `objects and lists may nest at most ${deepestNesting} levels deep`);
  }
  return document.root;
}

function readOperation(operation: Json, where: string): { op: string; path: string } {
  if (!isObject(operation)) throw new PatchError("invalid", `${where}: must be an object with op and path`);
  return { op: readText(operation, "op", where), path: readText(operation, "path", where) };
}

function readText(operation: Json, member: string, where: string): string {
  const value = isObject(operation) ? getOwn(operation, member) : undefined;
  if (typeof value !== "string") throw new PatchError("invalid", `${where}: ${member} must be a string`);
  return value;
}

function readValue(operation: Json): Json {
  return (isObject(operation) ? getOwn(operation, "value") : undefined) ?? null;
}

/** Reference tokens of a JSON pointer (RFC 6901). */
function parsePointer(pointer: string, where: string): string[] {
  if (pointer === "") return [];
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer)) {
    throw new PatchError("invalid", `${where}: ${JSON.stringify(pointer)} is no JSON pointer`);
  }
  return pointer
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function find(root: Json, tokens: readonly string[]): Json | undefined {
  let current: Json | undefined = root;
  for (const token of tokens) {
    if (Array.isArray(current)) current = isIndex(token) ? current[Number(token)] : undefined;
    else if (isObject(current)) current = getOwn(current, token);
    else return undefined;
  }
  return current;
}

function parentOf(root: Json, tokens: readonly string[], where: string): Json[] | { [key: string]: Json } {
  const parent = find(root, tokens.slice(0, -1));
  if (Array.isArray(parent) || isObject(parent)) return parent;
  throw missing(where);
}

function add(document: { root: Json }, tokens: readonly string[], value: Json, where: string): void {
  if (tokens.length === 0) {
    document.root = value;
    return;
  }
  const parent = parentOf(document.root, tokens, where);
  const key = tokens[tokens.length - 1] ?? "";
  if (!Array.isArray(parent)) {
    setOwn(parent, key, value);
    return;
  }
  const index = key === "-" ? parent.length : isIndex(key) ? Number(key) : Number.NaN;
  if (!(index <= parent.length)) {
    throw new PatchError(
      "invalid",
      `${where}: the list has ${parent.length} items and no place ${JSON.stringify(key)}`,
    );
  }
  parent.splice(index, 0, value);
}

function remove(document: { root: Json }, tokens: readonly string[], where: string): Json {
  const value = find(document.root, tokens);
  if (value === undefined) throw missing(where);
  if (tokens.length === 0) throw new PatchError("invalid", `${where}: the whole document cannot be removed`);
  const parent = parentOf(document.root, tokens, where);
  const key = tokens[tokens.length - 1] ?? "";
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
  return value;
}

function isIndex(token: string): boolean {
  return /^(?:0|[1-9]\d{0,9})$/.test(token);
}

function sizeOf(value: Json): number {
  return JSON.stringify(value).length;
}

function missing(where: string, member = "path"): PatchError {
  return new PatchError("invalid", `${where}: there is nothing at ${member}`);
}
