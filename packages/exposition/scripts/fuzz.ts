/**
 * Feeds the page parser with inputs made from a seed: `node -C source packages/exposition/scripts/fuzz.ts [--inputs N] [--seed S]
 * [--json] [--help]`. Exit code 0: every input gave families or the parser's own error; 1: one did not, and is printed; 2: wrong usage.
 */
import { parseArgs } from "node:util";
import { describeError } from "@almanac/core";
import { checkTotal, createRandom, formats, fuzzInput } from "../src/parse/fuzz.test.helper.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const inputs = Number(values.inputs);
const seed = Number(values.seed);
if (values.help || !(Number.isSafeInteger(inputs) && inputs > 0 && Number.isSafeInteger(seed))) {
  const usage = `Usage: fuzz.ts [--inputs N] [--seed S] [--json]

Parses N (default 1000000) generated pages, in turn as ${formats.join(", ")}. The same seed gives the same inputs.`;
  if (values.help) console.log(usage);
  else console.error(`fuzz: --inputs wants a number above 0 and --seed a whole number\n${usage}`);
  process.exit(values.help ? 0 : 2);
}

if (!values.json) console.log(`seed ${seed}`);
const random = createRandom(seed);
const started = performance.now();
let accepted = 0;
let bytes = 0;
for (let count = 0; count < inputs; count++) {
  const format = formats[count % formats.length] ?? "text";
  const input = fuzzInput(format, random);
  bytes += input.byteLength;
  try {
    if (checkTotal(input, format)) accepted++;
  } catch (thrown) {
    console.error(
      `fuzz: seed ${seed}, input ${count} as ${format}: ${describeError(thrown)}\n${input.toString("hex")}`,
    );
    process.exit(1);
  }
}
const seconds = Math.round((performance.now() - started) / 100) / 10;
if (values.json) console.log(JSON.stringify({ seed, inputs, accepted, bytes, seconds }));
else console.log(`${inputs} inputs, ${bytes} bytes, ${accepted} of them good pages, ${seconds} s`);
