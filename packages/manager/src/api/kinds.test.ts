import { describe, expect, it } from "vitest";
import { customResourceDefinitions } from "./kinds.ts";
import type { VirtualMachine } from "./virtual-machine.ts";

describe("customResourceDefinitions", () => {
  it("names all seven kinds in the operator's group", () => {
    expect(customResourceDefinitions().map((definition) => definition.metadata.name)).toEqual([
      "providers.infra.virtrigaud.io",
      "virtualmachines.infra.virtrigaud.io",
      "vmclasses.infra.virtrigaud.io",
      "vmimages.infra.virtrigaud.io",
      "vmnetworkattachments.infra.virtrigaud.io",
      "vmsnapshots.infra.virtrigaud.io",
      "vmclones.infra.virtrigaud.io",
    ]);
  });

  it("uses only patterns that compile", () => {
    const patterns = [...JSON.stringify(customResourceDefinitions()).matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)];
    expect(patterns.length).toBeGreaterThan(50);
    for (const [, pattern] of patterns) expect(() => new RegExp(JSON.parse(pattern as string) as string)).not.toThrow();
  });

  it("gives the types of objects, required fields and closed sets included", () => {
    const spec: VirtualMachine["spec"] = {
      classRef: { name: "small" },
      providerRef: { name: "lab", namespace: "default" },
      powerState: "OffGraceful",
    };
    expect(spec.classRef.name).toBe("small");
    // @ts-expect-error a class is required
    const withoutClass: VirtualMachine["spec"] = { providerRef: { name: "lab" } };
    // @ts-expect-error no such power state
    const misspelt: VirtualMachine["spec"]["powerState"] = "Sleeping";
    expect([withoutClass, misspelt]).toHaveLength(2);
  });
});
