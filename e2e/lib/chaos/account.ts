import { readFileSync } from "node:fs";
import { must } from "../report.ts";
import { total } from "../page.ts";
import type { Counted, CutReconcile } from "./log.ts";
import type { Life } from "./managed-process.ts";
import type { Blindness, KeptResult } from "./recorder.ts";

/** What is heard of a result that was kept when its manager was killed comes no later than this. */
const hearingMs = 5_000;

export interface ResultsAccount {
  /** Results kept while their manager was killed, before it could count them. */
  readonly uncounted: number;
}

/**
 * Compares the results that the API kept with those that managers counted, attempt by attempt. Each is counted once, but for one that was
 * kept by a reconcile which its process did not live to end: such a reconcile excuses what one change of its object kept.
 */
export function balanceResults(options: {
  readonly kept: readonly KeptResult[];
  readonly counted: readonly Counted[];
  readonly cut: readonly CutReconcile[];
  readonly blindness: readonly Blindness[];
}): ResultsAccount {
  const { kept, counted, cut, blindness } = options;
  const wrong: string[] = [];
  const left = new Set(counted);
  const byAttempt = Map.groupBy(counted, attemptOf);
  for (const [attempt, lines] of byAttempt)
    if (lines.length > 1) wrong.push(`${attempt}: counted ${lines.length} times`);
  const uncounted: KeptResult[] = [];
  for (const result of kept) {
    const line =
      result.startedAtMs === undefined
        ? // Refused before it was sent: only the object, the operation and the time tell which.
          [...left].find((one) => one.object === result.object && one.operation === result.operation)
        : byAttempt.get(attemptOf({ ...result, startedAtMs: result.startedAtMs }))?.[0];
    if (line === undefined) {
      if (!result.open) uncounted.push(result);
      continue;
    }
    left.delete(line);
    if (line.outcome !== result.outcome && !result.open)
      wrong.push(`${attemptOf(line)}: kept as ${result.outcome}, counted as ${line.outcome}`);
  }
  for (const line of left) {
    const isUnheard = blindness.some(
      ({ kind, fromMs, toMs }) => line.object.startsWith(`${kind} `) && line.atMs >= fromMs && line.atMs <= toMs,
    );
    if (!isUnheard && byAttempt.get(attemptOf(line))?.[0] === line)
      wrong.push(`${attemptOf(line)}: counted as ${line.outcome}, and no version of the object keeps it`);
  }
  const excuses = new Set(cut);
  for (const results of Map.groupBy(uncounted, ({ change }) => change).values()) {
    const [first] = results;
    if (first === undefined) continue;
    const { object, atMs } = first;
    const excuse = [...excuses].find(
      (one) => one.object === object && one.atMs <= atMs && atMs <= one.endedAtMs + hearingMs,
    );
    if (excuse !== undefined) excuses.delete(excuse);
    else
      for (const { operation, startedAtMs, outcome } of results)
        wrong.push(
          `${object} ${operation} ${startedAtMs}: ${outcome} was kept, counted by nobody, and no kill explains it`,
        );
  }
  must(wrong.length === 0, `the accounts do not balance:\n${wrong.join("\n")}`);
  return { uncounted: uncounted.length };
}

/** One thing that a page counts, and when it happened. */
export interface Happened {
  readonly series: string;
  readonly atMs: number;
}

/**
 * Compares the last page of a process with what happened in its life: everything that was over when the page was asked for is on it, and
 * nothing that had not happened when it was there. `slackMs`: how far the time of a line is from that of its count.
 */
export function balancePage(
  life: Life,
  happened: readonly Happened[],
  counted: ReadonlyMap<string, number>,
  slackMs: number,
): number {
  const { readAtMs, readEndedAtMs } = life;
  if (readAtMs === undefined || readEndedAtMs === undefined) return 0;
  const wrong: string[] = [];
  const bySeries = Map.groupBy(happened, ({ series }) => series);
  let sum = 0;
  for (const series of new Set([...counted.keys(), ...bySeries.keys()])) {
    const all = bySeries.get(series) ?? [];
    const least = all.filter(({ atMs }) => atMs < readAtMs - slackMs).length;
    const most = all.filter(({ atMs }) => atMs <= readEndedAtMs + slackMs).length;
    const found = counted.get(series) ?? 0;
    sum += found;
    if (found < least || found > most)
      wrong.push(
        `${life.logFile}: ${series}: the page counts ${found}, ${least === most ? most : `${least} to ${most}`} happened`,
      );
  }
  must(wrong.length === 0, `the pages do not say what happened:\n${wrong.join("\n")}`);
  return sum;
}

function attemptOf(one: { readonly object: string; readonly operation: string; readonly startedAtMs: number }): string {
  return `${one.object} ${one.operation} ${one.startedAtMs}`;
}

/** Results that a manager's page counts, by family, operation and outcome. */
export function countedResults(samples: Life["samples"]): Map<string, number> {
  const sums = new Map<string, number>();
  const add = (operation: string | undefined, outcome: string | undefined, value: number): void => {
    const key = `${operation} ${outcome === "success" ? "success" : "failure"}`;
    if (value > 0) sums.set(key, (sums.get(key) ?? 0) + value);
  };
  for (const { name, labels, value } of samples) {
    const { operation, provider, provider_type: type, outcome, action } = labels;
    if (name === "virtrigaud_vm_operations_total" && operation !== "Describe")
      add(`vm ${operation} ${provider}`, outcome, value);
    if (name === "virtrigaud_vm_snapshot_total") add(`snapshot ${action} ${type}`, outcome, value);
    if (name === "virtrigaud_vm_clone_total") add(`clone ${type}`, outcome, value);
    if (name === "virtrigaud_vm_image_prepare_total") add(`image ${type}`, outcome, value);
  }
  return sums;
}

/** RPCs that a provider's page counts, by method and code. */
export function countedRpcs(samples: Life["samples"]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { name, labels, value } of samples) {
    if (name === "virtrigaud_provider_rpc_requests_total" && value > 0)
      sums.set(`${labels["method"]} ${labels["code"]}`, value);
  }
  return sums;
}

const breakerFailures = ["UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN"];

/** What a manager at rest must say of its queues and breakers, told by other families of the same page and by its log. */
export function checkAtRest({ samples, logFile }: Life, isShared: boolean): string {
  must(total(samples, "workqueue_depth") === 0, "workqueue_depth is not 0 at rest");
  must(total(samples, "virtrigaud_queue_depth") === 0, "virtrigaud_queue_depth is not 0 at rest");
  for (const { labels, value } of samples.filter(({ name }) => name === "virtrigaud_circuit_breaker_state"))
    must(value === 0, `the breaker of ${labels["provider"]} is in state ${value} at rest`);
  const names = new Set(
    samples.filter(({ name }) => name === "workqueue_adds_total").map(({ labels }) => labels["name"] ?? ""),
  );
  let reconciles = 0;
  for (const name of names) {
    const adds = total(samples, "workqueue_adds_total", { name });
    const taken = total(samples, "workqueue_queue_duration_seconds_count", { name });
    const worked = total(samples, "workqueue_work_duration_seconds_count", { name });
    must(adds === taken && taken === worked, `queue ${name}: ${adds} added, ${taken} taken, ${worked} worked off`);
    reconciles += worked;
  }
  const log = readFileSync(logFile, "utf8");
  const countOf = (message: string): number => log.split(message).length - 1;
  const begun = countOf('"msg":"reconciling"');
  const reconciled = total(samples, "virtrigaud_manager_reconcile_total");
  must(reconciled === begun, `${reconciled} reconciles are counted, ${begun} began`);
  // A key whose shard another one has by now is let go.
  const isWorkedOff = isShared ? reconciled <= reconciles : reconciled === reconciles;
  must(isWorkedOff, `${reconciled} reconciles, ${reconciles} keys worked off`);
  // The calls are counted by the interceptor, the failures by the breaker.
  const failedCalls = breakerFailures.reduce(
    (sum, code) => sum + total(samples, "rpc_client_call_duration_seconds_count", { rpc_status_code: code }),
    0,
  );
  const failures = total(samples, "virtrigaud_circuit_breaker_failures_total");
  // A breaker that opens does not hear of the calls that were under way.
  const opened = countOf("The circuit breaker changed its state");
  const isExact = failures === failedCalls || (opened > 0 && failures < failedCalls);
  must(isExact, `the breakers counted ${failures} failures of ${failedCalls} failed calls and changed ${opened} times`);
  return `${reconciles} reconciles, ${failures} failed calls`;
}
