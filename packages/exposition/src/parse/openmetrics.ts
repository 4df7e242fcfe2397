import { Assembly } from "./assembly.ts";
import type { ParsedPage } from "./model.ts";
import { readSample } from "./sample.ts";
import { Scanner } from "./scanner.ts";
import { readFamilyName } from "./text.ts";

/**
 * OpenMetrics 1.0.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/), with Prometheus' quoted UTF-8 names. Bounds need not be
 * written canonically, as the specification asks of parsers.
 */
export function parseOpenMetrics(text: string): ParsedPage {
  const scanner = new Scanner(text);
  const assembly = new Assembly(true, (line, message) => scanner.errorAt(line, message));
  const dialect = { openMetrics: true, utf8: true };
  for (;;) {
    const start = scanner.at;
    const fail = (message: string): Error => scanner.error(message, start);
    if (scanner.done) throw fail("the page has to end with # EOF");
    if (scanner.take("#")) {
      scanner.expect(" ", "after #");
      const keyword = scanner.word();
      if (keyword === "EOF") {
        if (!scanner.done) scanner.endLine();
        if (!scanner.done) throw scanner.error("nothing may follow # EOF");
        return assembly.end();
      }
      if (keyword !== "TYPE" && keyword !== "HELP" && keyword !== "UNIT") {
        throw fail("a line that begins with # is a TYPE, HELP, UNIT or EOF line; there are no comments");
      }
      scanner.expect(" ", `after ${keyword}`);
      const name = readFamilyName(scanner, true);
      const family = assembly.describe(name, keyword, fail);
      scanner.expect(" ", `after the name of the family`);
      if (keyword === "HELP") family.help = scanner.help(true);
      else if (keyword === "TYPE") assembly.setType(family, scanner.rest(), fail);
      else family.unit = scanner.rest();
      if (keyword === "UNIT" && family.unit !== "" && !name.endsWith(`_${family.unit}`)) {
        throw fail(`the name ${name} does not end with its unit ${family.unit.slice(0, 40)}`);
      }
      if (family.unit !== "" && (family.type === "info" || family.type === "stateset")) {
        throw fail(`the ${family.type} ${name} must not have a unit`);
      }
    } else {
      assembly.add(readSample(scanner, dialect), scanner.line, fail);
    }
    scanner.endLine();
  }
}
