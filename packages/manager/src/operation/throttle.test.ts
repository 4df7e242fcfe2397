import { aroundEach, describe, expect, it } from "vitest";
import { createWorld, effects, until, untilReady, withOwnWorlds, type World } from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";
const times = 6;

/** A kind whose objects are reconciled by asking a provider: how to make one for a Provider, and what it does there. */
interface Kind {
  readonly kind: string;
  readonly effect: string;
  add(world: World, provider: string, name: string): Promise<unknown>;
}

const kinds: readonly Kind[] = [
  {
    kind: "VMSnapshot",
    effect: "CreateSnapshot",
    add: ({ resources }, provider, name) =>
      resources.vmSnapshots.create({
        metadata: { name, namespace },
        spec: { vmRef: { name: `on-${provider}` } },
      } as never),
  },
  {
    kind: "VMClone",
    effect: "CloneVM",
    add: ({ resources }, provider, name) =>
      resources.vmClones.create({
        metadata: { name, namespace },
        spec: { source: { vmRef: { name: `on-${provider}` } }, target: { name: `${name}-vm` } },
      } as never),
  },
  {
    kind: "VMImage",
    effect: "PrepareImage",
    async add(world, provider, name) {
      const source = { libvirt: { url: `https://images.example/${name}.img` } };
      await world.resources.vmImages.create({ metadata: { name, namespace }, spec: { source, prepare: {} } } as never);
      await world.addMachine(`of-${name}`, {
        providerRef: { name: provider, namespace },
        imageRef: { name, namespace },
      });
    },
  },
];

describe.concurrent("a Provider's rate limit", () => {
  it.each(kinds)("holds up no other Provider's $kind, with one worker each", async ({ kind, effect, add }) => {
    const world = await createWorld();
    await world.startMock("lab");
    await world.startMock("slow");
    await world.startManager({ concurrency: 1 });
    for (const name of ["lab", "slow"]) {
      await world.addProvider(name);
      await until("healthy", () => world.provider(name)?.status?.healthy);
      await world.addMachine(`on-${name}`, { providerRef: { name, namespace } });
      await untilReady(world, `on-${name}`);
    }
    const rateLimit = { qps: 2, burst: 1 };
    await world.resources.providers.patch({ namespace, name: "slow" }, { spec: { rateLimit } }, { type: "merge" });
    const done = (provider: string): number => effects(world, provider).filter((method) => method === effect).length;
    for (let index = 0; index < times; index++) await add(world, "slow", `slow-${index}`);
    await until("limited", () => done("slow") > 0);
    await add(world, "lab", "quick");
    await until("done by the other one", () => done("lab") === 1);
    // All of them are waiting for a token still, which takes half a second each.
    expect(done("slow")).toBeLessThan(times);
    // Put off is neither failed nor unwell, and nothing is done twice.
    await until("all done", () => done("slow") === times);
    expect(await world.samples("virtrigaud_errors_total")).toEqual({});
    const reconciles = await world.samples("virtrigaud_manager_reconcile_total");
    expect([reconciles[`${kind} error`], reconciles[`${kind} failure`]]).toEqual([undefined, undefined]);
    expect(done("lab")).toBe(1);
  });
});
