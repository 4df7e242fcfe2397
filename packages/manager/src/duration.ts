import { ManagerError } from "./error.ts";

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Milliseconds of a duration as Go writes it (`300ms`, `1.5h`, `2h45m`; source: Go, time.ParseDuration). `field` names it in the error.
 *
 * @throws ManagerError `invalid_spec` unless it is a duration greater than 0.
 */
export function parseDuration(text: string, field: string): number {
  const ms = readDuration(text);
  if (ms === undefined || ms === 0) throw unreadable(text, field, "greater than 0, such as 30s, 1m30s or 500ms");
  return ms;
}

/**
 * The same, and 0 for one that says so.
 *
 * @throws ManagerError `invalid_spec` unless it is a duration of at least 0.
 */
export function parsePause(text: string, field: string): number {
  const ms = readDuration(text);
  if (ms === undefined) throw unreadable(text, field, "of at least 0, such as 0s, 30s or 1m30s");
  return ms;
}

/** Undefined for what is no duration, or one that is less than 0 or endless. */
function readDuration(text: string): number | undefined {
  // The one that Go takes without a unit.
  if (text === "0") return 0;
  const parts = [...text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)];
  const complete = parts.length > 0 && parts.map(([part]) => part).join("") === text;
  const totalMs = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (unitMs[unit as string] as number), 0);
  return complete && Number.isFinite(totalMs) ? totalMs : undefined;
}

function unreadable(text: string, field: string, wanted: string): ManagerError {
  return new ManagerError("invalid_spec", `${field} is ${JSON.stringify(text)}; write a duration ${wanted}`);
}
