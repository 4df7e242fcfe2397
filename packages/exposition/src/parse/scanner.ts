import { isUtf8 } from "node:buffer";
import { ExpositionError } from "../error.ts";

const lineFeed = 0x0a;
const quote = 0x22;
const backslash = 0x5c;

/** Reads tokens from a page and knows where it is. Every method looks at each character once, so a page costs linear time. */
export class Scanner {
  readonly text: string;
  at = 0;
  line = 1;
  #lineStart = 0;

  constructor(text: string) {
    this.text = text;
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  /** NaN at the end of the page. */
  get code(): number {
    return this.text.charCodeAt(this.at);
  }

  error(message: string, at = this.at): ExpositionError {
    return ExpositionError.invalidPage({ line: this.line, column: at - this.#lineStart + 1 }, message);
  }

  /** An error about a line read before. */
  errorAt(line: number, message: string): ExpositionError {
    return ExpositionError.invalidPage({ line, column: 1 }, message);
  }

  /** What stands here, for a message. */
  get found(): string {
    if (this.done) return "the end of the page";
    return this.code === lineFeed ? "the end of the line" : JSON.stringify(this.text.charAt(this.at));
  }

  skipBlanks(): void {
    while (this.code === 0x20 || this.code === 0x09) this.at++;
  }

  take(character: string): boolean {
    if (this.text.charAt(this.at) !== character) return false;
    this.at++;
    return true;
  }

  expect(character: string, where: string): void {
    if (!this.take(character)) throw this.error(`expected ${JSON.stringify(character)} ${where}, found ${this.found}`);
  }

  /** Passes the line feed that has to stand here. */
  endLine(): void {
    if (this.code !== lineFeed) {
      const remedy = this.done ? "the last line has to end with a line feed" : `expected the end of the line`;
      throw this.error(`${remedy}, found ${this.found}`);
    }
    this.at++;
    this.line++;
    this.#lineStart = this.at;
  }

  /** The rest of the line, without the line feed. */
  rest(): string {
    const end = this.text.indexOf("\n", this.at);
    const start = this.at;
    this.at = end < 0 ? this.text.length : end;
    return this.text.slice(start, this.at);
  }

  /** Everything up to a blank, a line feed or a tab; may be empty. */
  word(): string {
    const start = this.at;
    for (;;) {
      const code = this.code;
      if (Number.isNaN(code) || code === 0x20 || code === 0x09 || code === lineFeed) break;
      this.at++;
    }
    return this.text.slice(start, this.at);
  }

  /** A metric name (with colons) or a label name in the classic alphabet. */
  name(colons: boolean): string {
    const start = this.at;
    while (isNameCode(this.code, colons, this.at > start)) this.at++;
    if (this.at === start) throw this.error(`expected a ${colons ? "metric" : "label"} name, found ${this.found}`);
    return this.text.slice(start, this.at);
  }

  /** What stands between two quotes, unescaped. `lenient` keeps a backslash before any other character, as OpenMetrics has it. */
  quoted(lenient: boolean): string {
    const open = this.at;
    this.expect('"', "before a quoted text");
    let start = this.at;
    let value = "";
    for (;;) {
      const code = this.code;
      if (code === quote) {
        value += this.text.slice(start, this.at++);
        return value;
      }
      if (Number.isNaN(code) || code === lineFeed) throw this.error("the quotation that begins here has no end", open);
      if (code !== backslash) {
        this.at++;
        continue;
      }
      const escaped = unescaped(this.text.charCodeAt(this.at + 1), true);
      if (escaped !== undefined) {
        value += this.text.slice(start, this.at) + escaped;
        start = this.at + 2;
      } else if (!lenient || this.text.charCodeAt(this.at + 1) === lineFeed || this.at + 1 >= this.text.length) {
        throw this.error("a backslash stands before n, a backslash or a quote only");
      }
      this.at += 2;
    }
  }

  /** The rest of the line as a help text, unescaped. */
  help(openMetrics: boolean): string {
    const begin = this.at;
    const text = this.rest();
    if (!text.includes("\\") && !(openMetrics && text.includes('"'))) return text;
    let value = "";
    let start = 0;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code === quote && openMetrics) throw this.error("a quote in a help text needs a backslash", begin + index);
      if (code !== backslash) continue;
      const escaped = unescaped(text.charCodeAt(index + 1), openMetrics);
      if (escaped !== undefined) {
        value += text.slice(start, index) + escaped;
        start = index + 2;
      } else if (!openMetrics || index + 1 >= text.length) {
        throw this.error("a backslash in a help text stands before n or a backslash only", begin + index);
      }
      index++;
    }
    return value + text.slice(start);
  }
}

function unescaped(code: number, quotes: boolean): string | undefined {
  if (code === 0x6e) return "\n";
  if (code === backslash) return "\\";
  return code === quote && quotes ? '"' : undefined;
}

function isNameCode(code: number, colons: boolean, digits: boolean): boolean {
  if ((code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f) return true;
  return (colons && code === 0x3a) || (digits && code >= 0x30 && code <= 0x39);
}

/** A page's bytes as text. Not UTF-8, or a NUL (for Prometheus' lexers the end of the page): `invalid_page`. */
export function decodePage(input: string | Uint8Array): string {
  if (typeof input !== "string" && !isUtf8(input)) throw invalidUtf8(input);
  // A byte order mark is no part of any of the formats, so it has to stay to be refused.
  const text = typeof input === "string" ? input : new TextDecoder("utf-8", { ignoreBOM: true }).decode(input);
  // Bytes have none, or they would not be UTF-8.
  if (!text.isWellFormed()) {
    const half = text.search(/\p{Surrogate}/u);
    throw errorAtIndex(text, half, "half a surrogate pair, which UTF-8 cannot write");
  }
  const nul = text.indexOf("\0");
  if (nul >= 0) throw errorAtIndex(text, nul, "a NUL character, which ends the page for a scraper");
  return text;
}

function errorAtIndex(text: string, index: number, message: string): ExpositionError {
  let line = 1;
  let lineStart = 0;
  for (let end = text.indexOf("\n"); end >= 0 && end < index; end = text.indexOf("\n", lineStart)) {
    line++;
    lineStart = end + 1;
  }
  return ExpositionError.invalidPage({ line, column: index - lineStart + 1 }, message);
}

function invalidUtf8(bytes: Uint8Array): ExpositionError {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  let byte = 0;
  let from = 0;
  // The first replacement character that is not in the bytes themselves stands where they are wrong.
  for (let index = text.indexOf("\uFFFD"); index >= 0; index = text.indexOf("\uFFFD", from)) {
    byte += Buffer.byteLength(text.slice(from, index));
    const written = bytes[byte] === 0xef && bytes[byte + 1] === 0xbf && bytes[byte + 2] === 0xbd;
    if (!written) return errorAtIndex(text, index, "the page is not UTF-8 here");
    byte += 3;
    from = index + 1;
  }
  return errorAtIndex(text, text.length, "the page is not UTF-8");
}
