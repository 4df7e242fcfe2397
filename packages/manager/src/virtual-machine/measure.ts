import type { Outcome, ProviderType, virtrigaud, VmOperation } from "@almanac/catalog";
import type { Instruments } from "@almanac/metrics";
import type { Provider } from "../api/provider.ts";

interface OperationRecord {
  readonly operation: VmOperation;
  /** As the Provider has it: its definition allows types that the catalog does not list. */
  readonly type: Provider["spec"]["type"];
  /** Name of the Provider. */
  readonly provider: string;
  readonly outcome: Outcome;
  readonly durationSeconds: number;
}

/** Counts one attempt that ended, with its time. */
export function countOperation(instruments: Instruments<typeof virtrigaud>, record: OperationRecord): void {
  const { operation, provider, outcome, durationSeconds } = record;
  // A type that nobody built came from outside, like any label value of a user: the instrument records it as `other` and counts the repair
  // in almanac_catalog_violations_total. Translated here, it would pass for one that the catalog knows.
  const type = record.type as ProviderType;
  const labels = { operation, provider_type: type, provider, outcome };
  instruments.virtrigaud_vm_operations_total.add(1, labels);
  instruments.virtrigaud_vm_operations_duration_seconds.record(durationSeconds, labels);
  if (operation === "Reconfigure") instruments.virtrigaud_vm_reconfigure_total.add(1, { provider_type: type, outcome });
}
