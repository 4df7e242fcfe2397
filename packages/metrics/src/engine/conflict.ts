import { diag, ValueType } from "@opentelemetry/api";
import type { StreamDescriptor } from "./snapshot.ts";

/** Whether two descriptors are of one stream, however they describe it. */
export function sameStream(a: StreamDescriptor, b: StreamDescriptor): boolean {
  return (
    a.name.toLowerCase() === b.name.toLowerCase() &&
    a.unit === b.unit &&
    a.type === b.type &&
    a.valueType === b.valueType
  );
}

/** Says what clashes, each clash once. */
export interface ConflictReport {
  /** `later` has the name of `earlier`. */
  descriptors(earlier: StreamDescriptor, later: StreamDescriptor): void;
  /** An instrument is created again with other bucket boundaries; `earlier` is undefined for the default ones. */
  boundaries(name: string, earlier: string | undefined, later: string): void;
}

/** Reports with both sides and what to do (metrics SDK specification, duplicate instrument registration, advisory parameters). */
export function createConflictReport(): ConflictReport {
  const reported = new Set<string>();
  const warn = (message: string): void => {
    if (reported.has(message) || reported.size >= 1000) return;
    reported.add(message);
    diag.warn(message);
  };
  return {
    descriptors: (earlier, later) =>
      warn(
        `two instruments are called ${later.name}: ${describe(earlier)} and ${describe(later)}; ${remedy(earlier, later)}`,
      ),
    boundaries: (name, earlier, later) =>
      warn(
        `${name} is created with bucket boundaries ${earlier === undefined ? "left to the default" : `[${earlier}]`} and with [${later}]; the first ones stay. Create it alike everywhere, or set them in a view`,
      ),
  };
}

function describe({ name, type, unit, valueType, description }: StreamDescriptor): string {
  const kind = type.toLowerCase().replaceAll("_", " ");
  const words = description === "" ? "no description" : `description ${JSON.stringify(description.slice(0, 200))}`;
  return `${kind} "${name}" (unit "${unit}", ${valueType === ValueType.INT ? "INT" : "DOUBLE"}, ${words})`;
}

function remedy(earlier: StreamDescriptor, later: StreamDescriptor): string {
  if (!sameStream(earlier, later) || (earlier.description === later.description && earlier.name === later.name)) {
    return `both are exported; rename one, or add a view { instrumentName: "${later.name}", instrumentType: "${later.type}", name: "…" }`;
  }
  if (earlier.name !== later.name) return `they are one, called "${earlier.name}"; write both alike`;
  return "they are one, with the longer description; describe both alike";
}
