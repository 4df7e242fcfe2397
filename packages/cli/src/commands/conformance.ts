import { describeError, untilShutdown } from "@almanac/core";
import { runConformance } from "@almanac/provider";
import type { CaseResult } from "@almanac/provider";
import { styleText } from "node:util";
import { CliError } from "../error.ts";
import type { ConformanceFlags } from "../program.ts";
import { tlsFromFlags } from "../tls-flags.ts";

/** Runs the case suite and prints a line per case, or one JSON object. Exit code 0 when none failed, 1 otherwise. */
export async function conformance(address: string, flags: ConformanceFlags): Promise<void> {
  using shutdown = untilShutdown();
  if (!/^.+:\d{1,5}$/.test(address)) {
    throw new CliError("usage", `"${address}" is no gRPC address; give HOST:PORT, e.g. 127.0.0.1:9443`);
  }
  const files = tlsFromFlags(flags, flags.insecure);
  const tls =
    files === "insecure" || flags.serverName === undefined ? files : { ...files, serverName: flags.serverName };
  const report = await runConformance({
    address,
    tls,
    service: flags.service,
    signal: shutdown.signal,
    ...(flags.json ? {} : { onCase: printCase }),
  });
  const { passed, failed, skipped } = report;
  if (flags.json) console.log(JSON.stringify(report, undefined, 2));
  else console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed > 0 ? 1 : 0;
}

function printCase(result: CaseResult): void {
  console.log(describeCase(result));
}

function describeCase(result: CaseResult): string {
  const { name, outcome } = result;
  if (outcome === "passed") return `${paint("green", "✓")} ${name}`;
  return outcome === "skipped"
    ? `${paint("yellow", "–")} ${name}: ${result.reason}`
    : `${paint("red", "✗")} ${name}: ${describeError(result.reason)}`;
}

function paint(colour: "green" | "red" | "yellow", text: string): string {
  return styleText(colour, text, { stream: process.stdout });
}
