// Adds up what the three parts of the continuous integration reported. A part that ended badly without naming a failure, or
// that reported nothing at all, counts as one failure: silence is not success.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [folder, ...statuses] = process.argv.slice(2);
const parts = [fromJson("test.json"), fromLine("check.log"), fromLine("e2e.log")];
let passed = 0;
let failed = 0;
for (const [index, part] of parts.entries()) {
  passed += part.passed;
  failed += part.failed;
  if (part.failed === 0 && (statuses[index] !== "0" || part.passed === 0)) failed += 1;
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

function fromJson(name) {
  const path = join(folder, name);
  if (!existsSync(path)) return { passed: 0, failed: 0 };
  const report = JSON.parse(readFileSync(path, "utf8"));
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + (report.numFailedTestSuites > 0 && report.numFailedTests === 0 ? 1 : 0),
  };
}

function fromLine(name) {
  const path = join(folder, name);
  if (!existsSync(path)) return { passed: 0, failed: 0 };
  const matches = [...readFileSync(path, "utf8").matchAll(/^(\d+) passed, (\d+) failed/gm)];
  const last = matches.at(-1);
  return last === undefined ? { passed: 0, failed: 0 } : { passed: Number(last[1]), failed: Number(last[2]) };
}
