import { aroundEach, describe, expect, it } from "vitest";
import type { VMClass } from "../api/vm-class.ts";
import { condition, createWorld, eventsOf, until, withOwnWorlds, type World } from "../world.test.helper.ts";
import { classProblems } from "./validation.ts";

aroundEach(withOwnWorlds);

const namespace = "default";

function classOf(world: World, name: string): VMClass | undefined {
  return world.api.store.get("vmclasses.infra.virtrigaud.io", namespace, name) as never;
}

describe.concurrent("createClassReconciler", () => {
  it("says who can use a class and how many do, in few writes", async () => {
    const world = await createWorld();
    await world.startMock("lab");
    await world.startManager();
    await world.addProvider("lab");
    await until("offered", () => classOf(world, "small")?.status?.supportedProviders?.includes("lab"));
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    world.writes.length = 0;
    await Promise.all(Array.from({ length: 20 }, (_, index) => world.addMachine(`vm-${index}`, { powerState: "Off" })));
    await until("twenty", () => classOf(world, "small")?.status?.usedByVMs === 20);
    const { status } = classOf(world, "small") as VMClass;
    expect(status?.validationResults?.["lab"]).toMatchObject({ valid: true });
    expect(condition(classOf(world, "small"), "Ready")).toMatchObject({ status: "True", reason: "Valid" });
    expect(world.writes.filter((line) => line.includes("/vmclasses/small")).length).toBeLessThan(6);
    await until(
      "counted",
      async () => ((await world.samples("virtrigaud_manager_reconcile_total"))["VMClass success"] ?? 0) > 1,
    );
  });

  it("refuses a class that no machine can be made of, once, until it is changed", async () => {
    const world = await createWorld();
    await world.startManager();
    await world.resources.vmClasses.create({
      metadata: { name: "odd", namespace },
      spec: { cpu: 1, memory: "1Gi", resourceLimits: { memoryLimit: "512Mi" }, diskDefaults: { iops: 500 } },
    } as never);
    await until("refused", () => condition(classOf(world, "odd"), "Ready")?.reason === "InvalidSpec");
    expect(condition(classOf(world, "odd"), "Ready")?.message).toContain("at least spec.memory, 1Gi");
    expect(condition(classOf(world, "odd"), "FieldsIgnored")?.message).toBe("spec.diskDefaults.iops");
    await until("event", () => eventsOf(world, "odd").length === 1);
    expect(await world.samples("virtrigaud_errors_total")).toEqual({ "InvalidSpec manager": 1 });
    const resourceLimits = { memoryLimit: "2Gi" };
    await world.resources.vmClasses.patch({ namespace, name: "odd" }, { spec: { resourceLimits } }, { type: "merge" });
    await until("valid", () => condition(classOf(world, "odd"), "Ready")?.status === "True");
  });
});

describe.concurrent("classProblems", () => {
  it.each([
    [{ memory: "-1Gi" }, /spec\.memory is "-1Gi"/],
    [{ diskDefaults: { size: "0" } }, /spec\.diskDefaults\.size/],
    [{ firmware: "coreboot" }, /spec\.firmware is "coreboot"; write BIOS or UEFI or EFI/],
    [{ securityProfile: { secureBoot: true } }, /secureBoot needs spec\.firmware UEFI/],
    [{ resourceLimits: { memoryReservation: "2Gi" } }, /at most spec\.memory, 1Gi/],
    [{ resourceLimits: { cpuLimit: 500, cpuReservation: 600 } }, /at most cpuLimit, 500/],
  ] as [object, RegExp][])("finds what is wrong with %j", (spec, words) => {
    const problems = classProblems({ spec: { cpu: 1, memory: "1Gi", ...spec } } as VMClass);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(words);
  });

  it("finds nothing wrong with a class that is complete", () => {
    const spec = { cpu: 2, memory: "4Gi", firmware: "UEFI", securityProfile: { secureBoot: true } };
    expect(classProblems({ spec } as VMClass)).toEqual([]);
  });
});
