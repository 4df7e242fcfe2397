import { readFileSync } from "node:fs";
import type { Life } from "./managed-process.ts";
import { must } from "../report.ts";
import { total } from "../page.ts";

/** Something that was to be counted, and when it happened at the latest. */
export interface Happened {
  readonly series: string;
  readonly atMs: number;
  /** It may rightly not have been counted. */
  readonly open?: boolean;
}

export interface Balance {
  readonly happened: number;
  readonly counted: number;
  /** Of what happened, that which lay between the last reading of a process and its death. */
  readonly inFlight: number;
}

/** A page says what was counted up to a moment; what was heard of this shortly before may still be on its way to its counter. */
const slackMs = 250;

/**
 * Compares what happened with what the lives of some processes counted, series by series: nothing that did not happen may be counted, and
 * everything must be that did not happen around a kill. `counted` reads a series from the pages.
 */
export function balance(
  lives: readonly Life[],
  happened: readonly Happened[],
  counted: (samples: Life["samples"]) => ReadonlyMap<string, number>,
): Balance {
  const windows = lives.flatMap(({ startedAtMs, readAtMs, endedAtMs }) =>
    endedAtMs === undefined ? [] : [{ from: (readAtMs ?? startedAtMs) - slackMs, to: endedAtMs + slackMs }],
  );
  const isInFlight = ({ atMs, open = false }: Happened): boolean =>
    open || windows.some(({ from, to }) => atMs >= from && atMs <= to);
  const sums = new Map<string, number>();
  for (const { samples } of lives) {
    for (const [series, value] of counted(samples)) sums.set(series, (sums.get(series) ?? 0) + value);
  }
  const wrong: string[] = [];
  const result = { happened: happened.length, counted: 0, inFlight: 0 };
  const bySeries = Map.groupBy(happened, ({ series }) => series);
  for (const series of new Set([...sums.keys(), ...bySeries.keys()])) {
    const all = bySeries.get(series) ?? [];
    const inFlight = all.filter(isInFlight).length;
    const sum = sums.get(series) ?? 0;
    result.counted += sum;
    result.inFlight += inFlight;
    if (sum > all.length || sum < all.length - inFlight) {
      wrong.push(`${series}: counted ${sum}, happened ${all.length}, of which ${inFlight} around kills`);
    }
  }
  must(wrong.length === 0, `the accounts do not balance:\n${wrong.join("\n")}`);
  return result;
}

/** Results that a manager's page counts, by series and outcome. */
export function countedResults(samples: Life["samples"]): Map<string, number> {
  const sums = new Map<string, number>();
  const add = (series: string, outcome: string | undefined, value: number): void => {
    const key = `${series} ${outcome === "success" ? "success" : "failure"}`;
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
export function checkAtRest({ samples, logFile }: Life): string {
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
  const reconciled = total(samples, "virtrigaud_manager_reconcile_total");
  must(reconciled === reconciles, `${reconciled} reconciles, ${reconciles} keys worked off`);
  // The calls are counted by the interceptor, the failures by the breaker.
  const failedCalls = breakerFailures.reduce(
    (sum, code) => sum + total(samples, "rpc_client_call_duration_seconds_count", { rpc_status_code: code }),
    0,
  );
  const failures = total(samples, "virtrigaud_circuit_breaker_failures_total");
  // A breaker that opens does not hear of the calls that were under way.
  const opened = readFileSync(logFile, "utf8").split("The circuit breaker changed its state").length - 1;
  const isExact = failures === failedCalls || (opened > 0 && failures < failedCalls);
  must(isExact, `the breakers counted ${failures} failures of ${failedCalls} failed calls and changed ${opened} times`);
  return `${reconciles} reconciles, ${failures} failed calls`;
}
