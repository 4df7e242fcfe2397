import type { ResponseOf } from "@almanac/provider";
import type { Provider } from "../api/provider.ts";

type Status = NonNullable<Provider["status"]>;
type Answer = ResponseOf<"getCapabilities">;

/** What the provider said of itself, as the status keeps it. */
export function reportedCapabilities(answer: Answer): NonNullable<Status["reportedCapabilities"]> {
  return {
    supportedDiskTypes: [...answer.supportedDiskTypes],
    supportedExportBackends: [...answer.supportedExportBackends],
    supportedExportFormats: [...answer.supportedExportFormats],
    supportedImportBackends: [...answer.supportedImportBackends],
    supportedImportFormats: [...answer.supportedImportFormats],
    supportedNetworkTypes: [...answer.supportedNetworkTypes],
    supportedTransferModes: [...answer.supportedTransferModes],
    supportsDiskExpansionOnline: answer.supportsDiskExpansionOnline,
    supportsDiskExport: answer.supportsDiskExport,
    supportsDiskImport: answer.supportsDiskImport,
    supportsExportCompression: answer.supportsExportCompression,
    supportsImageImport: answer.supportsImageImport,
    supportsLinkedClones: answer.supportsLinkedClones,
    supportsMemorySnapshots: answer.supportsMemorySnapshots,
    supportsReconfigureOnline: answer.supportsReconfigureOnline,
    supportsSnapshots: answer.supportsSnapshots,
  };
}

/** The same in the coarse words of `status.capabilities`; only what the contract can tell. */
export function capabilityNames(answer: Answer): NonNullable<Status["capabilities"]> {
  return [
    "VirtualMachines",
    ...(answer.supportsSnapshots ? (["Snapshots"] as const) : []),
    ...(answer.supportsLinkedClones ? (["Cloning"] as const) : []),
    ...(answer.supportsDiskExport || answer.supportsDiskImport ? (["DiskManagement"] as const) : []),
    ...(answer.supportsImageImport ? (["Templates"] as const) : []),
  ];
}
