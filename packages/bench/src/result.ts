/** What a median is held against. */
export type Goal = { readonly atLeast: number } | { readonly atMost: number };

/** One measured line: every round is kept, the median is what counts. */
export interface BenchRow {
  readonly what: string;
  readonly rounds: readonly number[];
  /** A run in which it is missed fails. Absent, as the moonshot: reported only. */
  readonly must?: Goal;
  /** How far it is to go. */
  readonly moonshot?: Goal;
  /** What keeps it from its moonshot, as a profile showed; printed where that is missed. */
  readonly limit?: string;
}

export interface BenchResult {
  readonly name: string;
  readonly title: string;
  readonly rows: readonly BenchRow[];
  /** What a reader must know to judge the numbers. */
  readonly notes?: readonly string[];
}

/** Gets a few words whenever something else is being measured. */
export type Progress = (what: string) => void;

/** The median of an odd or even number of rounds; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** Whether a row's median reaches a goal. No number reaches none. */
export function meets({ rounds }: BenchRow, goal: Goal): boolean {
  const reached = median(rounds);
  return "atLeast" in goal ? reached >= goal.atLeast : reached <= goal.atMost;
}

/** Three significant digits, without an exponent. */
export function format(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}
