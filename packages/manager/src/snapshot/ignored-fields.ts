import type { VMSnapshot } from "../api/vm-snapshot.ts";

/** What is set on a snapshot and that nothing acts on. Defaults fill themselves in; only a deliberate choice is worth a word. */
export function ignoredSnapshotFields({ spec }: VMSnapshot): string[] {
  const { schedule, snapshotConfig: config } = spec;
  const paths: string[] = [];
  if (schedule !== undefined) paths.push("schedule");
  if (config?.compression === true) paths.push("snapshotConfig.compression");
  if (config?.consistencyLevel === "ApplicationConsistent") paths.push("snapshotConfig.consistencyLevel");
  if (config?.encryption !== undefined) paths.push("snapshotConfig.encryption");
  if (config?.type !== undefined && config.type !== "Standard") paths.push("snapshotConfig.type");
  return paths.map((path) => `spec.${path}`);
}
