/** True when the code point belongs to the class. */
export type CharClass = (codePoint: number) => boolean;

/** What a zero-width assertion looks at. */
export type Assertion = "textStart" | "textEnd" | "lineStart" | "lineEnd" | "wordBoundary" | "noWordBoundary";

/** Syntax tree of a regular expression. */
export type PatternNode =
  | { readonly kind: "char"; readonly accepts: CharClass }
  | { readonly kind: "assert"; readonly assertion: Assertion }
  | { readonly kind: "sequence"; readonly nodes: readonly PatternNode[] }
  | { readonly kind: "choice"; readonly nodes: readonly PatternNode[] }
  | { readonly kind: "repeat"; readonly node: PatternNode; readonly min: number; readonly max: number };

/** The reason why a text is no RE2 expression, worded as Go's regexp/syntax words it. */
export class PatternSyntaxError extends Error {}

interface Flags {
  readonly ignoreCase: boolean;
  readonly multiLine: boolean;
  readonly dotAll: boolean;
}

const highest = 0x10ffff;
const largestRepeat = 1000;
const deepestGroup = 200;

const posixClasses: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  alnum: ranges("09", "AZ", "az"),
  alpha: ranges("AZ", "az"),
  ascii: [[0, 0x7f]],
  blank: ranges("\t\t", "  "),
  cntrl: [
    [0, 0x1f],
    [0x7f, 0x7f],
  ],
  digit: ranges("09"),
  graph: ranges("!~"),
  lower: ranges("az"),
  print: ranges(" ~"),
  punct: ranges("!/", ":@", "[`", "{~"),
  space: ranges("\t\r", "  "),
  upper: ranges("AZ"),
  word: ranges("09", "AZ", "az", "__"),
  xdigit: ranges("09", "AF", "af"),
};
const perlClasses: Readonly<Record<string, CharClass>> = {
  d: inRanges(ranges("09")),
  // Perl's \s without vertical tab, as RE2 has it.
  s: inRanges(ranges("\t\n", "\f\r", "  ")),
  w: inRanges(ranges("09", "AZ", "az", "__")),
};
const charEscapes: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };

/** Parses the syntax of Go's regexp package (RE2). Throws PatternSyntaxError. */
export function parsePattern(source: string): PatternNode {
  const chars = Array.from(source);
  let position = 0;
  let flags: Flags = { ignoreCase: false, multiLine: false, dotAll: false };

  const fail = (what: string, from: number, to = position): never => {
    throw new PatternSyntaxError(`error parsing regexp: ${what}: \`${chars.slice(from, to).join("")}\``);
  };
  const codeAt = (index: number): number => chars[index]?.codePointAt(0) ?? -1;

  const tree = parseChoice(0);
  if (position < chars.length) fail("unexpected )", 0, chars.length);
  return tree;

  function parseChoice(depth: number): PatternNode {
    if (depth > deepestGroup) fail("expression nests too deeply", 0, chars.length);
    const outerFlags = flags;
    const branches = [parseSequence(depth)];
    while (chars[position] === "|") {
      position++;
      branches.push(parseSequence(depth));
    }
    flags = outerFlags;
    return branches.length === 1 && branches[0] !== undefined ? branches[0] : { kind: "choice", nodes: branches };
  }

  function parseSequence(depth: number): PatternNode {
    const nodes: PatternNode[] = [];
    while (position < chars.length && chars[position] !== "|" && chars[position] !== ")") {
      const start = position;
      const repeat = parseRepeat();
      if (repeat !== undefined) {
        if (chars[position] === "?") position++; // Lazy or greedy is the same to "does it match".
        const node = nodes.pop();
        if (node === undefined) return fail("missing argument to repetition operator", start);
        const end = position;
        if (parseRepeat() !== undefined) {
          if (chars[position] === "?") position++;
          fail("invalid nested repetition operator", start);
        }
        position = end;
        nodes.push({ kind: "repeat", node, ...repeat });
        continue;
      }
      const atom = parseAtom(depth);
      if (atom !== undefined) nodes.push(atom);
    }
    return { kind: "sequence", nodes };
  }

  function parseRepeat(): { min: number; max: number } | undefined {
    const char = chars[position];
    if (char === "*" || char === "+" || char === "?") {
      position++;
      return { min: char === "+" ? 1 : 0, max: char === "?" ? 1 : Infinity };
    }
    if (char !== "{") return undefined;
    // A brace that is not {n}, {n,} or {n,m} stands for itself.
    const match = /^\{(\d+)(,(\d*))?\}/.exec(chars.slice(position, position + 24).join(""));
    if (match === null) return undefined;
    const start = position;
    position += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === "" ? Infinity : Number(match[3]);
    if (min > largestRepeat || (max !== Infinity && (max > largestRepeat || max < min))) {
      fail("invalid repeat count", start);
    }
    return { min, max };
  }

  function parseAtom(depth: number): PatternNode | undefined {
    const start = position;
    const char = chars[position++];
    switch (char) {
      case ".":
        return { kind: "char", accepts: flags.dotAll ? () => true : (code) => code !== 10 };
      case "^":
        return { kind: "assert", assertion: flags.multiLine ? "lineStart" : "textStart" };
      case "$":
        return { kind: "assert", assertion: flags.multiLine ? "lineEnd" : "textEnd" };
      case "(":
        return parseGroup(start, depth);
      case "[":
        return { kind: "char", accepts: parseClass(start) };
      case "\\":
        return parseEscape(start);
      default:
        return literal(codeAt(start));
    }
  }

  function literal(code: number): PatternNode {
    return { kind: "char", accepts: folded((candidate) => candidate === code) };
  }

  /** Under (?i) a class accepts what it accepts in either case. */
  function folded(accepts: CharClass): CharClass {
    if (!flags.ignoreCase) return accepts;
    return (code) => {
      if (accepts(code)) return true;
      const char = String.fromCodePoint(code);
      const lower = char.toLowerCase();
      const upper = lower.toUpperCase();
      return [lower, upper].some(
        (variant) => Array.from(variant).length === 1 && accepts(variant.codePointAt(0) ?? -1),
      );
    };
  }

  function parseGroup(start: number, depth: number): PatternNode | undefined {
    const outerFlags = flags;
    if (chars[position] === "?") {
      const named = /^\?P?<([A-Za-z0-9_]+)>/.exec(chars.slice(position, position + 200).join(""));
      if (named !== null) {
        position += named[0].length;
      } else {
        const closing = parseFlags(start);
        // (?i) without a colon holds until the end of the group around it.
        if (closing === ")") return undefined;
      }
    }
    const inner = parseChoice(depth + 1);
    if (chars[position] !== ")") fail("missing closing )", 0, chars.length);
    position++;
    flags = outerFlags;
    return inner;
  }

  function parseFlags(start: number): ":" | ")" {
    position++;
    let on = true;
    const seen = { ...flags };
    for (;;) {
      const char = chars[position++];
      if (char === "i") seen.ignoreCase = on;
      else if (char === "m") seen.multiLine = on;
      else if (char === "s") seen.dotAll = on;
      else if (char === "-" && on) on = false;
      else if (char === ":" || char === ")") {
        flags = seen;
        return char;
      } else if (char !== "U") fail("invalid or unsupported Perl syntax", start);
    }
  }

  function parseEscape(start: number): PatternNode | undefined {
    const char = chars[position];
    switch (char) {
      case "A":
        position++;
        return { kind: "assert", assertion: "textStart" };
      case "z":
        position++;
        return { kind: "assert", assertion: "textEnd" };
      case "b":
        position++;
        return { kind: "assert", assertion: "wordBoundary" };
      case "B":
        position++;
        return { kind: "assert", assertion: "noWordBoundary" };
      case "Q": {
        const rest = chars.slice(position + 1).join("");
        const end = rest.indexOf("\\E");
        const quoted = Array.from(end < 0 ? rest : rest.slice(0, end));
        position += 1 + quoted.length + (end < 0 ? 0 : 2);
        return { kind: "sequence", nodes: quoted.map((item) => literal(item.codePointAt(0) ?? -1)) };
      }
      default: {
        const accepts = parseClassEscape(start);
        return accepts === undefined ? literal(parseCharEscape(start)) : { kind: "char", accepts: accepts };
      }
    }
  }

  /** \d, \S, \pL, \P{Greek}; undefined when the escape stands for one character. */
  function parseClassEscape(start: number): CharClass | undefined {
    const char = chars[position] ?? "";
    const perl = perlClasses[char.toLowerCase()];
    if (perl !== undefined && /[dswDSW]/.test(char)) {
      position++;
      const accepts = folded(perl);
      return char === char.toLowerCase() ? accepts : (code) => !accepts(code);
    }
    if (char !== "p" && char !== "P") return undefined;
    position++;
    let name = chars[position++] ?? "";
    if (name === "{") {
      const end = chars.indexOf("}", position);
      if (end < 0) return fail("invalid character class range", start, chars.length);
      name = chars.slice(position, end).join("");
      position = end + 1;
    }
    const inverted = name.startsWith("^") !== (char === "P");
    const accepts = folded(unicodeClass(name.replace(/^\^/, ""), start));
    return inverted ? (code) => !accepts(code) : accepts;
  }

  function unicodeClass(name: string, start: number): CharClass {
    if (name === "Any") return () => true;
    const property = /^[CLMNPSZ][a-z&]?$/.test(name) ? name : `Script=${name}`;
    try {
      const matcher = new RegExp(`^\\p{${property}}$`, "u");
      return (code) => matcher.test(String.fromCodePoint(code));
    } catch {
      return fail("invalid character class range", start);
    }
  }

  function parseCharEscape(start: number): number {
    const char = chars[position];
    if (char === undefined) return fail("trailing backslash at end of expression", position);
    position++;
    if (char === "x") {
      const braced = chars[position] === "{";
      const match = (braced ? /^\{([0-9a-fA-F]{1,8})\}/ : /^([0-9a-fA-F]{2})/).exec(
        chars.slice(position, position + 10).join(""),
      );
      const code = Number.parseInt(match?.[1] ?? "", 16);
      if (match === null || code > highest) return fail("invalid escape sequence", start, position + 1);
      position += match[0].length;
      return code;
    }
    if (/[0-7]/.test(char)) {
      // \123 and \0 are octal; \1 to \7 alone would be backreferences, which RE2 does not have.
      const digits = /^[0-7]{1,3}/.exec(chars.slice(position - 1, position + 2).join(""))?.[0] ?? char;
      if (char !== "0" && digits.length < 2) return fail("invalid escape sequence", start);
      position += digits.length - 1;
      return Number.parseInt(digits, 8);
    }
    const code = charEscapes[char];
    if (code !== undefined) return code;
    if (/[A-Za-z0-9]/.test(char) || codeAt(position - 1) > 0x7f) return fail("invalid escape sequence", start);
    return codeAt(position - 1);
  }

  function parseClass(start: number): CharClass {
    const inverted = chars[position] === "^";
    if (inverted) position++;
    const parts: CharClass[] = [];
    const spans: [number, number][] = [];
    for (let first = true; first || chars[position] !== "]"; first = false) {
      if (position >= chars.length) return fail("missing closing ]", start, chars.length);
      if (chars[position] === "[" && chars[position + 1] === ":") {
        const match = /^\[:(\^?)([a-z]+):\]/.exec(chars.slice(position, position + 16).join(""));
        const named = match === null ? undefined : posixClasses[match[2] ?? ""];
        if (match === null || named === undefined) return fail("invalid character class range", position, position + 2);
        position += match[0].length;
        const accepts = folded(inRanges(named));
        parts.push(match[1] === "^" ? (code) => !accepts(code) : accepts);
        continue;
      }
      const from = position;
      if (chars[position] === "\\") {
        position++;
        const escaped = parseClassEscape(from);
        if (escaped !== undefined) {
          parts.push(escaped);
          continue;
        }
        position = from;
      }
      const low = parseClassChar();
      let high = low;
      if (chars[position] === "-" && chars[position + 1] !== "]" && position + 1 < chars.length) {
        position++;
        high = parseClassChar();
        if (high < low) return fail("invalid character class range", from);
      }
      spans.push([low, high]);
    }
    position++;
    if (spans.length > 0) parts.push(folded(inRanges(spans)));
    const accepts: CharClass = (code) => parts.some((part) => part(code));
    return inverted ? (code) => !accepts(code) : accepts;
  }

  function parseClassChar(): number {
    const start = position;
    if (chars[position++] !== "\\") return codeAt(start);
    return parseCharEscape(start);
  }
}

function ranges(...pairs: string[]): [number, number][] {
  return pairs.map((pair) => [pair.charCodeAt(0), pair.charCodeAt(1)]);
}

function inRanges(spans: readonly (readonly [number, number])[]): CharClass {
  return (code) => spans.some(([low, high]) => code >= low && code <= high);
}
