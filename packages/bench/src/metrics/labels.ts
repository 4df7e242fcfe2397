/** Label values of `size` series: 12 × 2 × 4 × as many as it takes. */
export interface LabelColumns {
  readonly zone: readonly string[];
  readonly kind: readonly string[];
  readonly outcome: readonly string[];
  readonly host: readonly string[];
}

/** The label keys in the order in which everybody declares them. */
export const labelKeys = ["zone", "kind", "outcome", "host"] as const;

/** Upper bounds of the histograms. */
export const bucketBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

export function createLabels(size: number): LabelColumns {
  const column = (name: string, divisor: number, count: number): string[] => {
    // One string per value, internalised like the literals of a program.
    const values = Object.keys(
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}-${index}`, index])),
    );
    return Array.from({ length: size }, (_, index) => values[Math.floor(index / divisor) % count]!);
  };
  return {
    zone: column("zone", 1, 12),
    kind: column("kind", 12, 2),
    outcome: column("outcome", 24, 4),
    host: column("host", 96, Math.ceil(size / 96)),
  };
}
