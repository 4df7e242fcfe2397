import type { KubeClient, KubeObject, ResourceClient, ResourceDefinition } from "@almanac/kube";
import { group, version } from "./api/define-kind.ts";
import type { Kind, ObjectOf } from "./api/define-kind.ts";
import { providerKind } from "./api/provider.ts";
import type { Provider } from "./api/provider.ts";
import { virtualMachineKind } from "./api/virtual-machine.ts";
import type { VirtualMachine } from "./api/virtual-machine.ts";
import { vmClassKind } from "./api/vm-class.ts";
import type { VMClass } from "./api/vm-class.ts";
import { vmCloneKind } from "./api/vm-clone.ts";
import type { VMClone } from "./api/vm-clone.ts";
import { vmImageKind } from "./api/vm-image.ts";
import type { VMImage } from "./api/vm-image.ts";
import { vmNetworkAttachmentKind } from "./api/vm-network-attachment.ts";
import type { VMNetworkAttachment } from "./api/vm-network-attachment.ts";
import { vmSnapshotKind } from "./api/vm-snapshot.ts";
import type { VMSnapshot } from "./api/vm-snapshot.ts";

/** The parts of a Deployment that the manager reads. */
export interface Deployment extends KubeObject {
  readonly spec?: object;
  readonly status?: {
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly availableReplicas?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

export interface Secret extends KubeObject {
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** Typed access to everything the manager reads or writes. */
export interface Resources {
  readonly providers: ResourceClient<Provider>;
  readonly virtualMachines: ResourceClient<VirtualMachine>;
  readonly vmClasses: ResourceClient<VMClass>;
  readonly vmImages: ResourceClient<VMImage>;
  readonly vmNetworkAttachments: ResourceClient<VMNetworkAttachment>;
  readonly vmSnapshots: ResourceClient<VMSnapshot>;
  readonly vmClones: ResourceClient<VMClone>;
  readonly deployments: ResourceClient<Deployment>;
  readonly services: ResourceClient<KubeObject>;
  readonly secrets: ResourceClient<Secret>;
}

export function createResources(kube: KubeClient): Resources {
  const custom = <Spec, Status>(kind: Kind<Spec, Status>): ResourceClient<ObjectOf<Kind<Spec, Status>>> =>
    kube.resource({ group, version, plural: kind.plural, kind: kind.kind, namespaced: true });
  return {
    providers: custom(providerKind),
    virtualMachines: custom(virtualMachineKind),
    vmClasses: custom(vmClassKind),
    vmImages: custom(vmImageKind),
    vmNetworkAttachments: custom(vmNetworkAttachmentKind),
    vmSnapshots: custom(vmSnapshotKind),
    vmClones: custom(vmCloneKind),
    deployments: kube.resource(builtin("apps", "deployments", "Deployment")),
    services: kube.resource(builtin("", "services", "Service")),
    secrets: kube.resource(builtin("", "secrets", "Secret")),
  };
}

function builtin(apiGroup: string, plural: string, kind: string): ResourceDefinition {
  return { group: apiGroup, version: "v1", plural, kind, namespaced: true };
}

/** `namespace/name` of a reference in an object of `namespace`. */
export function referenceKey(
  reference: { readonly name: string; readonly namespace?: string },
  namespace: string,
): string {
  return `${reference.namespace ?? namespace}/${reference.name}`;
}
