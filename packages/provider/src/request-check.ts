import type { ProviderMethod } from "@almanac/catalog";
import { ProviderError } from "./error.ts";
import { PowerOp } from "./gen/provider/v1/provider_pb.ts";

/** String fields that must not be blank, as the .proto spells them. */
const required: Readonly<Partial<Record<ProviderMethod, readonly string[]>>> = {
  CreateVM: ["name"],
  DeleteVM: ["id"],
  PowerVM: ["id"],
  ReconfigureVM: ["id"],
  UpgradeHardware: ["id"],
  DescribeVM: ["id"],
  CreateSnapshot: ["vm_id"],
  DeleteSnapshot: ["vm_id", "snapshot_id"],
  RevertSnapshot: ["vm_id", "snapshot_id"],
  CloneVM: ["source_vm_id", "target_name"],
  ExportDisk: ["vm_id", "destination_url"],
  ImportDisk: ["source_url"],
};

interface Checked extends Readonly<Record<string, unknown>> {
  readonly op?: PowerOp;
  readonly gracefulTimeoutSeconds?: number;
  readonly targetVersion?: number;
  readonly task?: { readonly id: string };
}

/**
 * Refuses a request no hypervisor could do anything with.
 *
 * @throws ProviderError INVALID_ARGUMENT naming the field.
 */
export function checkRequest(method: ProviderMethod, request: unknown): void {
  const fields = request as Checked;
  for (const name of required[method] ?? []) {
    const value = fields[name.replace(/_(.)/g, (_match, letter: string) => letter.toUpperCase())];
    if (typeof value !== "string" || value.trim() === "") {
      throw new ProviderError("INVALID_ARGUMENT", `${name}: expected a value, got nothing`);
    }
  }
  if (method === "PowerVM") {
    const { op = 0, gracefulTimeoutSeconds = 0 } = fields;
    if (!(op >= PowerOp.ON && op <= PowerOp.SHUTDOWN_GRACEFUL)) {
      throw new ProviderError(
        "INVALID_ARGUMENT",
        `op: expected on, off, reboot or graceful shutdown (1 to 4), got ${op}`,
      );
    }
    if (gracefulTimeoutSeconds < 0) {
      throw new ProviderError(
        "INVALID_ARGUMENT",
        `graceful_timeout_seconds: expected a number of at least 0, got ${gracefulTimeoutSeconds}`,
      );
    }
  }
  if (method === "UpgradeHardware" && (fields.targetVersion ?? 0) < 0) {
    throw new ProviderError(
      "INVALID_ARGUMENT",
      `target_version: expected a number of at least 0, got ${fields.targetVersion}`,
    );
  }
  if (method === "TaskStatus" && !fields.task?.id) {
    throw new ProviderError("INVALID_ARGUMENT", "task.id: expected a value, got nothing");
  }
}
