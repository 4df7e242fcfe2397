// What the stories about snapshots have in common.
import type { VMSnapshot } from "../api/vm-snapshot.ts";
import { until, type World } from "../world.test.helper.ts";

const namespace = "default";

/** Of the machine `web`, unless `spec` names another. */
export async function addSnapshot(world: World, name: string, spec: Partial<VMSnapshot["spec"]> = {}): Promise<void> {
  await world.resources.vmSnapshots.create({
    metadata: { name, namespace },
    spec: { vmRef: { name: "web" }, ...spec },
  } as never);
}

export function snapshotOf(world: World, name: string): VMSnapshot | undefined {
  return world.api.store.get("vmsnapshots.infra.virtrigaud.io", namespace, name) as never;
}

export async function untilPhase(world: World, name: string, phase: string): Promise<VMSnapshot> {
  return until(`${name} ${phase}`, () => {
    const found = snapshotOf(world, name);
    return found?.status?.phase === phase ? found : undefined;
  });
}
