/** One measured line: every round is kept, the median is what counts. */
export interface BenchRow {
  readonly what: string;
  readonly rounds: readonly number[];
  /** As written in the goals, e.g. `≤ 10`. Absent: reported only. */
  readonly goal?: string;
  readonly met?: boolean;
}

export interface BenchResult {
  readonly name: string;
  readonly title: string;
  readonly rows: readonly BenchRow[];
  /** What a reader must know to judge the numbers. */
  readonly notes?: readonly string[];
}

/** The median of an odd or even number of rounds; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** Three significant digits, without an exponent. */
export function format(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}
