import type { Outcome, ProviderType, virtrigaud, VmOperation } from "@almanac/catalog";
import type { Instruments } from "@almanac/metrics";

interface OperationRecord {
  readonly operation: VmOperation;
  readonly type: ProviderType;
  /** Name of the Provider. */
  readonly provider: string;
  readonly outcome: Outcome;
  readonly durationSeconds: number;
}

/** Counts one attempt that ended, with its time. */
export function countOperation(instruments: Instruments<typeof virtrigaud>, record: OperationRecord): void {
  const { operation, type, provider, outcome, durationSeconds } = record;
  const labels = { operation, provider_type: type, provider, outcome };
  instruments.virtrigaud_vm_operations_total.add(1, labels);
  instruments.virtrigaud_vm_operations_duration_seconds.record(durationSeconds, labels);
  if (operation === "Reconfigure") instruments.virtrigaud_vm_reconfigure_total.add(1, { provider_type: type, outcome });
}
