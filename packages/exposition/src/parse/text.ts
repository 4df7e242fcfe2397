import { Assembly } from "./assembly.ts";
import type { ParsedPage } from "./model.ts";
import { readSample } from "./sample.ts";
import { Scanner } from "./scanner.ts";

/** Text 0.0.4 or, with `utf8`, 1.0.0 (https://prometheus.io/docs/instrumenting/exposition_formats/). */
export function parseText(text: string, utf8: boolean): ParsedPage {
  const scanner = new Scanner(text);
  const assembly = new Assembly(false, (line, message) => scanner.errorAt(line, message));
  const dialect = { openMetrics: false, utf8 };
  while (!scanner.done) {
    scanner.skipBlanks();
    const start = scanner.at;
    const fail = (message: string): Error => scanner.error(message, start);
    if (scanner.take("#")) {
      scanner.skipBlanks();
      const keyword = scanner.word();
      // Any other line of this kind is a comment.
      if (keyword === "HELP" || keyword === "TYPE") {
        scanner.skipBlanks();
        const name = readFamilyName(scanner, utf8);
        const family = assembly.describe(name, keyword, fail);
        const before = scanner.at;
        scanner.skipBlanks();
        if (scanner.at === before && scanner.code !== 0x0a)
          throw scanner.error(`expected a blank, found ${scanner.found}`);
        if (keyword === "HELP") {
          family.help = scanner.help(false);
        } else {
          assembly.setType(family, scanner.word(), fail);
          scanner.skipBlanks();
        }
      } else {
        scanner.rest();
      }
    } else if (scanner.code !== 0x0a && !scanner.done) {
      const sample = readSample(scanner, dialect);
      assembly.add(sample, scanner.line, fail);
    }
    scanner.endLine();
  }
  return assembly.end();
}

/** As it stands in a metadata line, bare or quoted. */
export function readFamilyName(scanner: Scanner, utf8: boolean): string {
  if (scanner.code !== 0x22) return scanner.name(true);
  if (!utf8) throw scanner.error("this format has no quoted names");
  const start = scanner.at;
  const name = scanner.quoted(false);
  if (name === "") throw scanner.error("an empty name", start);
  return name;
}
