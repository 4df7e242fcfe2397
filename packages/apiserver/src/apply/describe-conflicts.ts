import type { ApplyConflict } from "./apply.ts";

/** The message and the causes of a Status 409 with reason Conflict. */
export interface ConflictDescription {
  readonly message: string;
  readonly causes: readonly {
    readonly reason: "FieldManagerConflict";
    readonly message: string;
    readonly field: string;
  }[];
}

/** Describes conflicts as the API server does; kubectl prints the message and looks for the causes' reason. */
export function describeConflicts(conflicts: readonly ApplyConflict[]): ConflictDescription {
  const causes = conflicts.map((conflict) => ({
    reason: "FieldManagerConflict" as const,
    message: `conflict with ${printManager(conflict)}`,
    field: conflict.field,
  }));
  const [only] = conflicts;
  if (only !== undefined && conflicts.length === 1) {
    return { message: `Apply failed with 1 conflict: conflict with ${printManager(only)}: ${only.field}`, causes };
  }
  const fields = new Map<string, string[]>();
  for (const conflict of conflicts) {
    const manager = printManager(conflict);
    fields.set(manager, [...(fields.get(manager) ?? []), `- ${conflict.field}`]);
  }
  const lines = [...fields].flatMap(([manager, paths]) => [`conflicts with ${manager}:`, ...paths]);
  return { message: `Apply failed with ${conflicts.length} conflicts: ${lines.join("\n")}`, causes };
}

function printManager({ manager, operation, apiVersion, subresource }: ApplyConflict): string {
  const name =
    JSON.stringify(manager) + (subresource === undefined ? "" : ` with subresource ${JSON.stringify(subresource)}`);
  return operation === "Update" ? `${name} using ${apiVersion}` : name;
}
