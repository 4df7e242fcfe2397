import type { virtrigaud } from "@almanac/catalog";
import type { Clock } from "@almanac/core";
import type { EventRecorder, Informer } from "@almanac/kube";
import type { Instruments } from "@almanac/metrics";
import type { Telemetry } from "@almanac/telemetry";
import type { Provider } from "./api/provider.ts";
import type { VirtualMachine } from "./api/virtual-machine.ts";
import type { VMClass } from "./api/vm-class.ts";
import type { VMClone } from "./api/vm-clone.ts";
import type { VMImage } from "./api/vm-image.ts";
import type { VMNetworkAttachment } from "./api/vm-network-attachment.ts";
import type { VMSnapshot } from "./api/vm-snapshot.ts";
import type { Classified } from "./error.ts";
import type { Ages } from "./operation/ages.ts";
import type { Released } from "./operation/released.ts";
import type { ProviderPool } from "./provider/pool.ts";
import type { Sightings } from "./provider/sightings.ts";
import type { Deployment, Resources, Secret } from "./resources.ts";

/** Local copies of what the reconcilers read. */
export interface Informers {
  readonly providers: Informer<Provider>;
  /** With the indexes `provider`, `class`, `image` and `network`, each by `namespace/name`. */
  readonly virtualMachines: Informer<VirtualMachine>;
  readonly vmClasses: Informer<VMClass>;
  /** With the index `provider`, by `namespace/name`, of what is under way there. */
  readonly vmImages: Informer<VMImage>;
  readonly vmNetworkAttachments: Informer<VMNetworkAttachment>;
  /** With the indexes `machine` and `provider`, each by `namespace/name`; the latter of what is under way there. */
  readonly vmSnapshots: Informer<VMSnapshot>;
  /** With the indexes `source`, `target`, `class` and `provider`, each by `namespace/name`; the last of what is under way there. */
  readonly vmClones: Informer<VMClone>;
  readonly deployments: Informer<Deployment>;
  /** Names only: what they hold is read when it is needed, and never kept. */
  readonly secrets: Informer<Secret>;
}

/** What all reconcilers share. */
export interface ManagerContext {
  readonly telemetry: Telemetry;
  readonly instruments: Instruments<typeof virtrigaud>;
  readonly resources: Resources;
  readonly informers: Informers;
  readonly pool: ProviderPool;
  readonly sightings: Sightings;
  readonly events: EventRecorder;
  readonly released: Released;
  readonly ages: Ages;
  readonly clock: Clock;
  readonly random: () => number;
  readonly describeIntervalMs: number;
  /** How long a Provider's Deployment may take to become available. */
  readonly startGraceMs: number;
}

/** Counts an error unless the provider that reported it has. */
export function countError({ instruments }: Pick<ManagerContext, "instruments">, error: Classified): void {
  if (!error.counted) instruments.virtrigaud_errors_total.add(1, { reason: error.reason, component: "manager" });
}
