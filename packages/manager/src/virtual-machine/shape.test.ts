import { ProviderError } from "@almanac/provider";
import type { ProviderClient, ProviderHandlers } from "@almanac/provider";
import { aroundEach, describe, it } from "vitest";
import { createWorld, startFront, until, untilReady, withOwnWorlds } from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";
const unanswered = new ProviderError("UNAVAILABLE", "the answer was lost");

/** A machine of one processor, and a provider that answers in its place where `instead` says so. */
async function createLab(instead: (client: ProviderClient) => Partial<ProviderHandlers>) {
  const world = await createWorld();
  const mock = await world.startMock("lab", { delays: { taskMs: { min: 500, max: 500 } } });
  await startFront(world, mock, instead);
  await world.resources.vmClasses.create({
    metadata: { name: "medium", namespace },
    spec: { cpu: 2, memory: "2Gi" },
  } as never);
  const manager = await world.startManager();
  await world.addProvider("lab");
  await world.addMachine("web");
  await untilReady(world, "web");
  return {
    world,
    manager,
    /** Of the machine as its hypervisor has it. */
    processors: () => mock.hypervisor.list().vms?.[0]?.cpu,
    patch: (spec: object) =>
      world.resources.virtualMachines.patch({ namespace, name: "web" }, { spec }, { type: "merge" }),
  };
}

const small = { classRef: { name: "small" } };
const medium = { classRef: { name: "medium" } };

describe.concurrent("a machine whose shape nobody can be sure of", () => {
  it("gets the one that is wished after a change whose answer was lost, though it is the old one again", async () => {
    let isCalm = false;
    const { world, processors, patch } = await createLab((client) => ({
      async reconfigureVM(request) {
        const answer = await client.reconfigureVM(request);
        if (isCalm) return answer;
        throw unanswered;
      },
    }));
    await patch(medium);
    await until("lost", () => processors() === 2);
    await patch(small);
    isCalm = true;
    await untilReady(world, "web");
    await until("small again", () => processors() === 1);
  });

  it("gets the one that is wished after a revert whose answer was lost and that nobody wants any more", async () => {
    let isCalm = false;
    const { world, processors, patch } = await createLab((client) => ({
      async revertSnapshot(request) {
        const answer = await client.revertSnapshot(request);
        if (isCalm) return answer;
        throw unanswered;
      },
    }));
    await world.resources.vmSnapshots.create({
      metadata: { name: "before", namespace },
      spec: { vmRef: { name: "web" } },
    } as never);
    await until("listed", () => world.machine("web")?.status?.snapshots?.length === 1);
    await patch(medium);
    await until("two processors", () => world.machine("web")?.status?.currentResources?.cpu === 2);
    await patch({ snapshot: { revertToRef: { name: "before" } } });
    await until("put back", () => processors() === 1);
    await patch({ snapshot: null });
    isCalm = true;
    await untilReady(world, "web");
    await until("two processors again", () => processors() === 2);
  });

  it("gets the one that is wished when the wish has changed before a request was sent again", async () => {
    const sent = Promise.withResolvers<void>();
    const again = Promise.withResolvers<void>();
    let requests = 0;
    const { world, manager, processors, patch } = await createLab((client) => ({
      async reconfigureVM(request, { signal }) {
        requests += 1;
        if (requests === 1) {
          sent.resolve();
          // Never carried out, and never answered.
          await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("gone"))));
        }
        const answer = await client.reconfigureVM(request);
        again.resolve();
        return answer;
      },
    }));
    await patch(medium);
    await sent.promise;
    await manager.stop();
    const three = { resources: { cpu: 3 } };
    await patch(three);
    await world.startManager();
    await again.promise;
    // By the end of its task the wish is what it was when the attempt began.
    await patch({ resources: null });
    await untilReady(world, "web");
    await until("two processors", () => processors() === 2);
  });
});
