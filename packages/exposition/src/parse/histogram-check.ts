import type { Fail } from "./assembly.ts";
import { parseNumber } from "./number.ts";

export interface HistogramCheck {
  /** `key` stands for all labels but `le`, and the timestamp. */
  add(key: string, suffix: string, le: string | undefined, value: number, line: number, fail: Fail): void;
  /** Looks at what can be known only when all samples are there. */
  end(): void;
}

interface Series {
  readonly line: number;
  bound: number;
  buckets: number;
  last: number;
  negative: boolean;
  count: number | undefined;
  sum: number | undefined;
}

/**
 * Whether the buckets of a family's histograms rise, end in +Inf and agree with their counts (text format 0.0.4, "Histograms and
 * summaries"; OpenMetrics 1.0.0, "Histogram" and "GaugeHistogram").
 */
export function createHistogramCheck(
  name: string,
  gauge: boolean,
  openMetrics: boolean,
  failAt: (line: number, message: string) => Error,
): HistogramCheck {
  const all = new Map<string, Series>();
  return {
    add(key, suffix, le, value, line, fail) {
      if (suffix === "_created") return;
      let series = all.get(key);
      if (series === undefined) {
        series = { line, bound: -Infinity, buckets: 0, last: 0, negative: false, count: undefined, sum: undefined };
        all.set(key, series);
      }
      if (suffix === "_sum" || suffix === "_gsum") {
        series.sum = value;
        return;
      }
      if (!(value >= 0) || value === Infinity || (!gauge && !Number.isInteger(value))) {
        throw fail(`${name}${suffix} is a number of events, not ${value}`);
      }
      if (suffix !== "_bucket") {
        series.count = value;
        return;
      }
      const bound = parseNumber(le ?? "");
      if (bound === undefined || Number.isNaN(bound)) throw fail(`le=${JSON.stringify(le?.slice(0, 40))} is no bound`);
      if (openMetrics && bound === Infinity && le !== "+Inf") throw fail(`the last bound is written "+Inf", not ${le}`);
      if (series.buckets > 0 && bound <= series.bound) throw fail(`the bound ${le} does not exceed the one before it`);
      if (value < series.last) throw fail(`the bucket le=${le} holds ${value}, less than the ${series.last} before it`);
      series.bound = bound;
      series.buckets++;
      series.last = value;
      series.negative ||= bound < 0;
    },
    end() {
      for (const series of all.values()) {
        const problem = describe(series, gauge, openMetrics);
        if (problem !== undefined) throw failAt(series.line, `the histogram ${name} that begins here ${problem}`);
      }
    },
  };
}

function describe(series: Series, gauge: boolean, openMetrics: boolean): string | undefined {
  const { buckets, bound, last, count, sum, negative } = series;
  if (buckets === 0 || bound !== Infinity) return "has no +Inf bucket";
  if (count !== undefined && count !== last) return `counts ${count} events, but its +Inf bucket holds ${last}`;
  if (!openMetrics) return count === undefined ? "has no count" : undefined;
  if ((count === undefined) !== (sum === undefined)) return "has a sum without a count, or the reverse";
  if (sum !== undefined && !gauge && negative)
    return "has bounds below 0, so its sum could fall; leave out sum and count";
  if (sum !== undefined && !gauge && sum < 0) return "has a negative sum";
  return undefined;
}
