import { toCustomResourceDefinition } from "./define-kind.ts";
import type { CustomResourceDefinition } from "./define-kind.ts";
import { providerKind } from "./provider.ts";
import { virtualMachineKind } from "./virtual-machine.ts";
import { vmClassKind } from "./vm-class.ts";
import { vmCloneKind } from "./vm-clone.ts";
import { vmImageKind } from "./vm-image.ts";
import { vmNetworkAttachmentKind } from "./vm-network-attachment.ts";
import { vmSnapshotKind } from "./vm-snapshot.ts";

/** The definitions of all seven kinds, ready to be applied. Fresh objects at every call. */
export function customResourceDefinitions(): CustomResourceDefinition[] {
  return [
    toCustomResourceDefinition(providerKind),
    toCustomResourceDefinition(virtualMachineKind),
    toCustomResourceDefinition(vmClassKind),
    toCustomResourceDefinition(vmImageKind),
    toCustomResourceDefinition(vmNetworkAttachmentKind),
    toCustomResourceDefinition(vmSnapshotKind),
    toCustomResourceDefinition(vmCloneKind),
  ];
}
