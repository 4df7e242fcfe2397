/** The label keys in the order in which everybody declares them. */
export const labelKeys = ["zone", "kind", "outcome", "host"] as const;

/** Labels of one series. */
export type LabelSet = Readonly<Record<(typeof labelKeys)[number], string>>;

/** Upper bounds of the histograms. */
export const bucketBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/**
 * Makes the labels of any of `size` series, a new object each time: 12 zones × 2 kinds × 4 outcomes × as many hosts as it takes. They come
 * from a few short lists, so that finding them costs the same at every size.
 */
export function createLabels(size: number): (series: number) => LabelSet {
  const zones = values("zone", 12);
  const kinds = values("kind", 2);
  const outcomes = values("outcome", 4);
  const hosts = values("host", Math.ceil(size / 96));
  return (series) => ({
    zone: zones[series % 12]!,
    kind: kinds[((series / 12) | 0) % 2]!,
    outcome: outcomes[((series / 24) | 0) % 4]!,
    host: hosts[(series / 96) | 0]!,
  });
}

/** One string per value, internalised like the literals of a program. */
function values(name: string, count: number): readonly string[] {
  return Object.keys(Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}-${index}`, index])));
}
