import type { PageFormat } from "./parse/model.ts";
import { parsePage } from "./parse/page.ts";

export interface ReadFamily {
  readonly type: string;
  readonly help: string;
  readonly unit: string;
  /** Value by `name{label="value",…}`, labels sorted, values JSON-quoted. */
  readonly samples: Map<string, number>;
}

/** A page parsed, samples by their key. Bounds in OpenMetrics have to be canonical, which a parser must not ask for. */
export function readPage(page: string | Uint8Array, format: PageFormat): Map<string, ReadFamily> {
  const families = new Map<string, ReadFamily>();
  for (const { name, type, help, unit, samples } of parsePage(page, format).values()) {
    const byKey = new Map<string, number>();
    for (const sample of samples) {
      const le = sample.labels.get("le");
      if (type === "histogram" && format === "openmetrics" && le !== undefined && !/[.e]|^[+-]Inf$/.test(le))
        throw new Error(`le="${le}" is no float`);
      byKey.set(sampleKey(sample.name, [...sample.labels]), sample.value);
    }
    families.set(name, { type, help, unit, samples: byKey });
  }
  return families;
}

export function sampleKey(name: string, labels: readonly (readonly [string, string])[]): string {
  const sorted = labels.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `${name}{${sorted.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join(",")}}`;
}
