import { describe, expect, it } from "vitest";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { Journal } from "./journal.ts";
import { machineStatus } from "./status.ts";

type Status = NonNullable<VirtualMachine["status"]>;

const entry = "almanac.dev/provider";

/** What a status says of the Provider after one that said `before`. */
function providerOf(before: Status, journal: Journal, pendingId?: string): Status["provider"] {
  return statusAfter(before, journal, pendingId).provider;
}

/** Of an object whose specification was changed while its first one was acted on. */
function statusAfter(before: Status, journal: Journal, pendingId?: string): Status {
  const vm = { metadata: { namespace: "default", name: "web", generation: 2 }, spec: {}, status: before };
  return machineStatus({
    vm: vm as unknown as VirtualMachine,
    generation: 1,
    journal,
    providerKey: "default/lab",
    pendingId,
    task: undefined,
    desired: undefined,
    observed: undefined,
    problem: undefined,
    ignored: [],
    reconfigured: undefined,
    snapshots: undefined,
    traceNote: undefined,
    nowMs: 0,
  });
}

describe("machineStatus", () => {
  it("is about the specification that was acted on, not about one that came meanwhile", () => {
    const { observedGeneration, conditions = [] } = statusAfter({ id: "vm-1" }, { id: "vm-1" });
    expect([observedGeneration, ...conditions.map((condition) => condition.observedGeneration)]).toEqual(
      [observedGeneration, ...conditions].map(() => 1),
    );
  });

  it("names the Provider that gave an id", () => {
    const provider = "default/lab";
    const attempt = { operation: "Create", startedAtMs: 1 } as const;
    expect(providerOf({}, { attempt, provider }, "vm-1")).toEqual({ [entry]: provider });
    expect(providerOf({ id: "vm-1" }, { id: "vm-1", provider })).toEqual({ [entry]: provider });
    const told = { [entry]: provider, host: "a" };
    expect(providerOf({ id: "vm-1", provider: told }, { id: "vm-1" })).toEqual(told);
  });

  it("names none before the machine was seen there, and none without a machine", () => {
    expect(providerOf({ id: "vm-1" }, { id: "vm-1" })).toBeUndefined();
    expect(providerOf({ id: "vm-1", provider: { host: "a" } }, { id: "vm-1" })).toEqual({ host: "a" });
    const provider = "default/lab";
    expect(providerOf({ id: "vm-1", provider: { [entry]: provider } }, { provider })).toBeUndefined();
  });
});
