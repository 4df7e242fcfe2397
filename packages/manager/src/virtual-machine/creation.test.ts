import { aroundEach, describe, expect, it } from "vitest";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import { condition, createWorld, effects, isCurrent, until, untilReady, withOwnWorlds } from "../world.test.helper.ts";
import type { World } from "../world.test.helper.ts";

aroundEach(withOwnWorlds);

const namespace = "default";

async function createLab(spec: Partial<VirtualMachine["spec"]> = {}, options: Parameters<World["startMock"]>[1] = {}) {
  const world = await createWorld();
  await world.startMock("lab", options);
  await world.startManager();
  await world.addProvider("lab");
  await world.addMachine("web", spec);
  return world;
}

async function patch(world: World, body: object, name = "web"): Promise<VirtualMachine> {
  await world.resources.virtualMachines.patch({ namespace, name }, body, { type: "merge" });
  await until("acted on", () => isCurrent(world.machine(name)));
  return world.machine(name) as VirtualMachine;
}

const ignored = (machine: VirtualMachine | undefined) => condition(machine, "FieldsIgnored")?.message;

describe.concurrent("a field that counts when a machine is made", () => {
  it.each([
    ["tags", { tags: ["blue", "small"] }, { tags: ["green"] }, { tags: ["small", "blue"] }],
    [
      "placement",
      { placement: { cluster: "a", host: "b" } },
      { placement: { host: "c" } },
      { placement: { host: "b" } },
    ],
    [
      "userData",
      { userData: { cloudInit: { inline: "#cloud-config" } } },
      { userData: { cloudInit: { inline: "#!/bin/sh" } } },
      { userData: { cloudInit: { inline: "#cloud-config" } } },
    ],
    ["metaData", {}, { metaData: { cloudInit: { inline: "x: 1" } } }, { metaData: null }],
    ["imageRef", {}, { imageRef: { name: "other" } }, { imageRef: { name: "linux" } }],
  ])("is named when it is changed later, until it is put back: %s", async (field, first, second, back) => {
    const world = await createLab(first);
    const { spec } = (await world.resources.vmImages.get({ namespace, name: "linux" })) as { spec: object };
    await world.resources.vmImages.create({ metadata: { name: "other", namespace }, spec } as never);
    expect(ignored(await untilReady(world, "web"))).toBeUndefined();
    expect(ignored(await patch(world, { spec: second }))).toBe(`spec.${field} (not acted on after creation)`);
    expect(ignored(await patch(world, { spec: back }))).toBeUndefined();
    expect(effects(world, "lab")).toEqual(["CreateVM", "PowerVM"]);
  });

  it("is named by the name of its Secret, and stands beside those that nothing acts on", async () => {
    const document = { "user-data": Buffer.from("#cloud-config").toString("base64") };
    const userData = (name: string) => ({ userData: { cloudInit: { secretRef: { name } } } });
    const world = await createWorld();
    for (const name of ["one", "two"]) {
      await world.resources.secrets.create({ metadata: { name, namespace }, data: document });
    }
    await world.startMock("lab");
    await world.startManager();
    await world.addProvider("lab");
    await world.addMachine("web", { ...userData("one"), resources: { gpu: { count: 1 } } });
    expect(ignored(await untilReady(world, "web"))).toBe("spec.resources.gpu");
    expect(ignored(await patch(world, { spec: userData("two") }))).toBe(
      "spec.resources.gpu, spec.userData (not acted on after creation)",
    );
  });

  it("is named of a clone, and not of a machine that was taken over", async () => {
    const world = await createLab();
    await untilReady(world, "web");
    await world.resources.vmClones.create({
      metadata: { name: "copy", namespace },
      spec: { source: { vmRef: { name: "web" } }, target: { name: "copy" }, customization: { tags: ["blue"] } },
    } as never);
    await until("cloned", () => isCurrent(world.machine("copy")));
    expect(ignored(world.machine("copy"))).toBeUndefined();
    expect(ignored(await patch(world, { spec: { tags: ["green"] } }, "copy"))).toBe(
      "spec.tags (not acted on after creation)",
    );
    const adopt = { "virtrigaud.io/adopt": "true" };
    await world.resources.virtualMachines.create({
      metadata: { name: "taken", namespace, annotations: adopt },
      spec: { providerRef: { name: "lab" }, classRef: { name: "small" }, imageRef: { name: "linux" } },
    } as never);
    await untilReady(world, "taken");
    expect(ignored(await patch(world, { spec: { tags: ["green"] } }, "taken"))).toBeUndefined();
  });

  it("is not named when nobody knows which request made the machine", async () => {
    const rates = { CreateVM: { rpcRate: 1 } };
    const world = await createLab({ tags: ["blue"] }, { failures: { methods: rates, codes: { INTERNAL: 1 } } });
    const journal = () => world.machine("web")?.metadata.annotations?.["almanac.dev/operation"] ?? "";
    await until("unclear", () => journal().includes("uncertain"));
    await world.resources.virtualMachines.patch(
      { namespace, name: "web" },
      { spec: { tags: ["green"] } },
      { type: "merge" },
    );
    rates.CreateVM.rpcRate = 0;
    const machine = await untilReady(world, "web");
    expect(ignored(machine)).toBeUndefined();
    expect(ignored(await patch(world, { spec: { tags: ["red"] } }))).toBeUndefined();
  });
});
