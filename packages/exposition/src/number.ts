/**
 * A sample value as both formats read it: the shortest decimal that reads back as the same number, `NaN`, `+Inf`, `-Inf`. Integers are
 * written out (`1234567`, not `1.234567e+06`), so that byte counters stay readable; minus zero keeps its sign.
 */
export function formatValue(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

/**
 * A bucket bound for `le`. A bound is part of a series' identity, so it is written the way client libraries in Go do, from which most
 * stored series come: `%g` with the shortest digits. In OpenMetrics a whole number gets `.0` (OpenMetrics 1.0.0, "Canonical Numbers").
 */
export function formatBound(bound: number, openMetrics: boolean): string {
  if (!Number.isFinite(bound)) return formatValue(bound);
  const text = goShortest(bound);
  return openMetrics && !text.includes(".") && !text.includes("e") ? `${text}.0` : text;
}

/** Go's `strconv.FormatFloat(value, 'g', -1, 64)`. */
function goShortest(value: number): string {
  const [mantissa, exponentText] = value.toExponential().split("e") as [string, string];
  const exponent = Number(exponentText);
  // Between these limits JavaScript writes no exponent either.
  if (exponent >= -4 && exponent < 6) return formatValue(value);
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
