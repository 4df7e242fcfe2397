import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compilePattern } from "./pattern.ts";

describe("compilePattern", () => {
  it.each([
    ["^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", ["a", "a-b", "x9"], ["", "-a", "a-", "A"]],
    ["^(On|Off)$", ["On", "Off"], ["on", "Onn", ""]],
    ["b", ["abc", "b"], ["ac", ""]],
    ["", ["", "anything"], []],
    ["^\\d{2,3}$", ["12", "123"], ["1", "1234", "1a"]],
    ["^a{,2}$", ["a{,2}"], ["aa"]],
    ["^a{2}$", ["aa"], ["a", "aaa"]],
    ["^(?i)abc$", ["ABC", "aBc"], ["abd"]],
    ["^(?i:a)b$", ["Ab", "ab"], ["AB"]],
    ["(?i)^[^a]$", ["b"], ["a", "A"]],
    ["\\Aab\\z", ["ab"], ["ab\n", "xab"]],
    ["(?m)^b$", ["a\nb\nc"], ["a\nbc"]],
    ["^b$", ["b"], ["a\nb", "b\n"]],
    ["^.$", ["x", "\r", "😀"], ["\n", ""]],
    ["(?s)^.$", ["\n"], [""]],
    ["^[[:alnum:]_]+$", ["aZ9_"], ["-", ""]],
    ["^[[:^digit:]]$", ["x"], ["5"]],
    ["^\\pL\\p{Greek}$", ["aω"], ["1ω", "ab"]],
    ["^[\\P{L}]$", ["1"], ["a"]],
    ["^\\S[\\S]$", ["ab", "\vb"], [" b", "a\t"]],
    ["\\bfoo\\b", ["a foo b"], ["afoo"]],
    ["^\\Qa.b*\\E$", ["a.b*"], ["axb"]],
    ["^[]a]$", ["]", "a"], ["b"]],
    ["^[a-]$", ["a", "-"], ["b"]],
    ["^\\x41\\x{1F600}\\101$", ["A😀A"], ["AA"]],
    ["^(?P<name>x)(?:y)$", ["xy"], ["x"]],
    ["^x*?y+?z??$", ["y", "xxyyz"], ["x"]],
    ["^(a|b|)$", ["a", "b", ""], ["c"]],
    ["^}]$", ["}]"], [""]],
  ])("%s matches as in Go", (source, matching, others) => {
    const pattern = compilePattern(source);
    for (const text of matching) expect(pattern.test(text), JSON.stringify(text)).toBe(true);
    for (const text of others) expect(pattern.test(text), JSON.stringify(text)).toBe(false);
  });

  it.each([
    ["(a", "missing closing )"],
    ["a)", "unexpected )"],
    ["[a", "missing closing ]"],
    ["*a", "missing argument to repetition operator: `*`"],
    ["a**", "invalid nested repetition operator"],
    ["a{2}{3}", "invalid nested repetition operator"],
    ["a{1001}", "invalid repeat count: `{1001}`"],
    ["a{3,2}", "invalid repeat count: `{3,2}`"],
    ["(?=a)", "invalid or unsupported Perl syntax"],
    ["(?<!a)", "invalid or unsupported Perl syntax"],
    ["(a)\\1", "invalid escape sequence: `\\1`"],
    ["\\Z", "invalid escape sequence"],
    ["a\\", "trailing backslash"],
    ["[b-a]", "invalid character class range: `b-a`"],
    ["[[:nope:]]", "invalid character class range"],
    ["\\p{Nope}", "invalid character class range"],
    ["((a{100}){100}){100}", "expression too large"],
  ])("refuses %s", (source, reason) => {
    expect(() => compilePattern(source)).toThrow(reason);
  });

  it("takes linear time where backtracking takes exponential time", () => {
    const text = `${"a".repeat(20_000)}!`;
    expect(compilePattern("^(a+)+$").test(text)).toBe(false);
    expect(compilePattern("^(a|a)*$").test(text)).toBe(false);
    expect(compilePattern("^(.*)*x$").test(text)).toBe(false);
  });

  it("agrees with JavaScript's engine where both mean the same", () => {
    const atom = fc.constantFrom("a", "b", "[ab]", "[^a]", ".", "(?:ab)", "\\d", "\\w", "(?:a|bc)", "c");
    const piece = fc.tuple(atom, fc.constantFrom("", "*", "+", "?", "{2}", "{1,2}")).map((parts) => parts.join(""));
    const source = fc
      .tuple(fc.constantFrom("", "^"), fc.array(piece, { minLength: 1, maxLength: 4 }), fc.constantFrom("", "$"))
      .map(([start, pieces, end]) => start + pieces.join("") + end);
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "1", "_"), maxLength: 8 });
    fc.assert(
      fc.property(source, fc.array(text, { maxLength: 5 }), (expression, texts) => {
        const ours = compilePattern(expression);
        const theirs = new RegExp(expression, "u");
        for (const candidate of texts) expect(ours.test(candidate)).toBe(theirs.test(candidate));
      }),
      { numRuns: 300 },
    );
  });
});
