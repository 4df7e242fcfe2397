import { aroundEach, describe, expect, it } from "vitest";
import type { VMNetworkAttachment } from "../api/vm-network-attachment.ts";
import { condition, createWorld, until, untilReady, withOwnWorlds, type World } from "../world.test.helper.ts";
import { networkProblems, servesType } from "./validation.ts";

aroundEach(withOwnWorlds);

const namespace = "default";

function networkOf(world: World, name: string): VMNetworkAttachment | undefined {
  return world.api.store.get("vmnetworkattachments.infra.virtrigaud.io", namespace, name) as never;
}

async function addNetwork(world: World, name: string, spec: object): Promise<void> {
  await world.resources.vmNetworkAttachments.create({ metadata: { name, namespace }, spec } as never);
}

describe.concurrent("createNetworkReconciler", () => {
  it("says who is connected with which address, and where machines can be", async () => {
    const world = await createWorld();
    await world.startMock("lab");
    await world.startManager();
    await world.addProvider("lab");
    await addNetwork(world, "lan", { network: { libvirt: { networkName: "default" } }, qos: { priority: 3 } });
    const networks = (ipAddress?: string) => [
      { name: "eth0", networkRef: { name: "lan" }, ...(ipAddress === undefined ? {} : { ipAddress, prefix: 24 }) },
    ];
    await world.addMachine("web", { networks: networks() });
    await world.addMachine("db", { networks: networks("10.0.0.7"), powerState: "Off" });
    await untilReady(world, "web");
    await until("two addresses", () => networkOf(world, "lan")?.status?.ipAllocations?.length === 2);
    const { status } = networkOf(world, "lan") as VMNetworkAttachment;
    expect(status).toMatchObject({ ready: true, phase: "Ready", connectedVMs: 2, availableOn: ["lab"] });
    expect(status?.ipAllocations).toMatchObject([
      { vm: "db", ip: "10.0.0.7" },
      { vm: "web", ip: world.machine("web")?.status?.ips?.[0] },
    ]);
    expect(condition(networkOf(world, "lan"), "FieldsIgnored")?.message).toBe("spec.qos");
    await world.addMachine("twin", { networks: networks("10.0.0.7"), powerState: "Off" });
    await until("conflict", () => condition(networkOf(world, "lan"), "Ready")?.reason === "AddressConflict");
    expect(condition(networkOf(world, "lan"), "Ready")?.message).toBe("10.0.0.7 is given to db and twin");
    await world.resources.virtualMachines.delete({ namespace, name: "twin" });
    await until("no conflict", () => condition(networkOf(world, "lan"), "Ready")?.reason === "Valid");
  });

  it("refuses one that connects to nothing", async () => {
    const world = await createWorld();
    await world.startManager();
    await addNetwork(world, "nowhere", { network: { libvirt: {} }, ipAllocation: { type: "Static" } });
    await until("refused", () => networkOf(world, "nowhere")?.status?.phase === "Failed");
    expect(condition(networkOf(world, "nowhere"), "Ready")?.message).toBe(
      "spec.network.libvirt needs networkName or bridge; spec.ipAllocation.type Static needs staticConfig",
    );
    expect(await world.samples("virtrigaud_errors_total")).toEqual({ "InvalidSpec manager": 1 });
  });
});

describe.concurrent("networkProblems", () => {
  const network = { vsphere: { portgroup: "VM Network" } };
  it.each([
    [{ network: {} }, /names no network/],
    [{ network: { vsphere: {} } }, /needs portgroup or distributedSwitch/],
    [{ network: { vsphere: { portgroup: "a", vlan: { type: "vlan" } } } }, /needs vlanID/],
    [{ network: { vsphere: { portgroup: "a", vlan: { type: "pvlan" } } } }, /needs primaryVlanID/],
    [{ network, ipAllocation: { type: "Magic" } }, /write one of DHCP, Static, Pool, None/],
    [{ network, ipAllocation: { type: "pool" } }, /Pool needs poolConfig/],
  ] as [object, RegExp][])("finds what is wrong with %j", (spec, words) => {
    const problems = networkProblems({ spec } as VMNetworkAttachment);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(words);
  });

  it("serves the types it has a network for", () => {
    const attachment = { spec: { network } } as VMNetworkAttachment;
    expect((["libvirt", "vsphere", "mock"] as const).map((type) => servesType(attachment, type))).toEqual([
      false,
      true,
      true,
    ]);
  });
});
