import { describeError, sleep } from "@almanac/core";
import { styleText } from "node:util";
import type { VirtualMachine } from "@almanac/manager";
import { group, version } from "@almanac/manager";
import type { Component } from "./component.ts";
import type { Stack } from "./stack.ts";

interface StatusOptions {
  /** Repaint one screen; otherwise a plain line every ten seconds. */
  readonly live: boolean;
  readonly signal: AbortSignal;
}

const liveIntervalMs = 1_000;
const plainIntervalMs = 10_000;

/** Shows what the stack is doing until `signal` aborts. Colours only on a terminal, and never under NO_COLOR. */
export async function showStatus(stack: Stack, options: StatusOptions): Promise<void> {
  const { live, signal } = options;
  const machines = stack.kube.resource<VirtualMachine>({
    group,
    version,
    plural: "virtualmachines",
    kind: "VirtualMachine",
    namespaced: true,
  });
  const watching = stack.watch.untilAllMoved(signal).catch(() => undefined);
  let painted = 0;
  let items: readonly VirtualMachine[] = [];
  while (!signal.aborted) {
    let trouble: string | undefined;
    // What was seen last stays on the screen while the API does not answer.
    await machines.list({ signal }).then(
      (list) => (items = list.items),
      (error: unknown) => (trouble = describeError(error)),
    );
    if (signal.aborted) break;
    if (live) {
      // A screen that is longer than the terminal could not be painted over.
      const lines = render(stack, items, trouble).slice(0, Math.max(4, (process.stdout.rows ?? 24) - 1));
      process.stdout.write(
        `${painted > 0 ? `\x1b[${painted}A` : ""}${lines.map((line) => `\x1b[2K${line}\n`).join("")}\x1b[0J`,
      );
      painted = lines.length;
    } else {
      console.log(trouble === undefined ? summaryLine(stack, items) : `the API does not answer: ${trouble}`);
    }
    await sleep(live ? liveIntervalMs : plainIntervalMs, { signal }).catch(() => undefined);
  }
  await watching;
}

function summaryLine(stack: Stack, items: readonly VirtualMachine[]): string {
  const phases = countBy(items, phaseOf);
  const text = Object.entries(phases)
    .map(([phase, count]) => `${count} ${phase}`)
    .join(", ");
  return `${new Date().toISOString()} ${items.length} machines (${text}); ${stack.watch.moved.size} families have moved, ${stack.watch.waiting.length} to go; ${stack.sink?.store.size ?? 0} traces`;
}

function render(stack: Stack, items: readonly VirtualMachine[], trouble: string | undefined): string[] {
  const { manager, runner, watch, sink, workload } = stack;
  const width = Math.max(40, process.stdout.columns ?? 80);
  const rows = Math.max(4, (process.stdout.rows ?? 24) - 14 - runner.providers.length);
  const processes = [
    processRow("manager", manager),
    ...runner.providers.map(({ provider, component }) => processRow(provider, component)),
  ];
  const wishes = workload?.counts;
  const newest = sink?.store.list(3) ?? [];
  return [
    ...(trouble === undefined ? [] : [paint("red", `the API does not answer: ${trouble}`)]),
    bold(`${items.length} virtual machines`) +
      `   ${Object.entries(countBy(items, phaseOf))
        .map(([phase, count]) => `${phase} ${count}`)
        .join("  ")}`,
    ...items.slice(0, rows).map((item) => row(item)),
    ...(items.length > rows ? [`  … ${items.length - rows} more`] : []),
    "",
    bold("processes"),
    ...processes,
    bold("catalog") +
      `   ${watch.moved.size} families have moved${watch.waiting.length > 0 ? `, waiting for ${watch.waiting.slice(0, 2).join(", ")}${watch.waiting.length > 2 ? " …" : ""}` : ""}`,
    ...(wishes
      ? [
          bold("workload") +
            `  ${wishes.created} created, ${wishes.powered} powered, ${wishes.reconfigured} reconfigured, ${wishes.snapshots} snapshots, ${wishes.reverted} reverted, ${wishes.cloned} cloned, ${wishes.deleted} deleted`,
        ]
      : []),
    ...(sink ? [bold("traces") + `    ${sink.store.size} at ${sink.url}/traces`] : []),
    ...newest.map(({ traceId, root, durationMs }) => `  ${traceId}  ${durationMs.toFixed(0).padStart(6)} ms  ${root}`),
    "Ctrl-C stops everything.",
  ].map((line) => clip(line, width));
}

function processRow(name: string, { pid, restarts }: Component): string {
  return `  ${name.padEnd(24)} pid ${String(pid ?? "–").padEnd(8)} restarts ${restarts}`;
}

function row(item: VirtualMachine): string {
  const phase = phaseOf(item);
  const colour = phase === "Running" ? "green" : phase === "Failed" ? "red" : "yellow";
  const message = item.status?.conditions?.find(({ type }) => type === "Ready")?.message ?? "";
  return `  ${item.metadata.name.padEnd(14)} ${item.spec.providerRef.name.padEnd(12)} ${paint(colour, phase.padEnd(14))} ${(item.status?.powerState ?? "").padEnd(4)} ${(item.status?.ips?.[0] ?? "").padEnd(15)} ${message}`;
}

function phaseOf(item: VirtualMachine): string {
  return item.metadata.deletionTimestamp !== undefined ? "Deleting" : (item.status?.phase ?? "Pending");
}

function countBy<T>(items: readonly T[], key: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[key(item)] = (counts[key(item)] ?? 0) + 1;
  return counts;
}

// Escape sequences take no room, so they are not counted; a line that is cut gets its colour reset.
const escape = new RegExp(String.raw`\u001b\[\d+m`, "g");

function clip(line: string, width: number): string {
  let room = width - 1;
  let result = "";
  let last = 0;
  for (const match of line.matchAll(escape)) {
    const text = line.slice(last, match.index).slice(0, Math.max(room, 0));
    room -= text.length;
    result += text + match[0];
    last = match.index + match[0].length;
  }
  return result + line.slice(last).slice(0, Math.max(room, 0));
}

function bold(text: string): string {
  return paint("bold", text);
}

function paint(format: "bold" | "green" | "red" | "yellow", text: string): string {
  return styleText(format, text, { stream: process.stdout });
}
