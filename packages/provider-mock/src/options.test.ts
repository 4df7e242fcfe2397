import { describe, expect, it } from "vitest";
import { parseMockOptions, resolveMockOptions } from "./options.ts";

describe("parseMockOptions", () => {
  it("reads an endpoint", () => {
    expect(
      parseMockOptions(
        "mock:///?seed=7&taskMs=200-900&rpcMs=5&rpcRate=0.02&CreateVM.taskRate=0.1&codes=UNAVAILABLE:3,INTERNAL:1&without=linkedClones,diskExport&outage=true",
      ),
    ).toEqual({
      seed: 7,
      delays: { taskMs: { min: 200, max: 900 }, rpcMs: { min: 5, max: 5 } },
      failures: {
        rpcRate: 0.02,
        codes: { UNAVAILABLE: 3, INTERNAL: 1 },
        methods: { CreateVM: { taskRate: 0.1 } },
      },
      without: ["linkedClones", "diskExport"],
      outage: true,
    });
  });

  it("reads a record, and nothing from an empty one", () => {
    expect(parseMockOptions({ ipMs: "10-20", sourceRate: "1", maxVms: "3", forgetTasks: "true" })).toEqual({
      delays: { ipMs: { min: 10, max: 20 } },
      failures: { sourceRate: 1 },
      maxVms: 3,
      forgetTasks: true,
    });
    expect(parseMockOptions({})).toEqual({ delays: {}, failures: {} });
    expect(parseMockOptions("mock:///")).toEqual({ delays: {}, failures: {} });
  });

  it.each([
    [{ sed: "1" }, 'there is no option sed (value "1"); options are seed, rpcMs,'],
    [{ toString: "1" }, "there is no option toString"],
    [{ "CreateVm.taskRate": "1" }, "there is no option CreateVm.taskRate"],
    [{ seed: "-1" }, 'seed is "-1"; expected a whole number'],
    [{ taskMs: "20-5" }, 'taskMs is "20-5"; expected milliseconds from a smaller to a larger number'],
    [{ taskMs: "5s" }, 'taskMs is "5s"; expected milliseconds, such as 5 or 5-20'],
    [{ rpcRate: "1.5" }, "rpcRate is 1.5; expected a rate from 0 to 1"],
    [{ "PowerVM.rpcRate": "2" }, "PowerVM.rpcRate is 2; expected a rate"],
    [{ codes: "OK:1" }, 'codes is "OK:1"; expected weights'],
    [{ codes: "UNKNOWN:1" }, "codes is"],
    [{ outage: "yes" }, 'outage is "yes"; expected true or false'],
    [{ without: "clones" }, 'without is "clones"; expected a list of snapshots,'],
  ])("refuses %j", (record, message) => {
    expect(() => parseMockOptions(record as unknown as Record<string, string>)).toThrow(message);
  });

  it("refuses an endpoint of something else", () => {
    expect(() => parseMockOptions("qemu:///system")).toThrow('endpoint is "qemu:///system"; expected mock:///');
  });
});

describe("resolveMockOptions", () => {
  it("takes no time and never fails unless told to", () => {
    const { delays, failures, outage, without } = resolveMockOptions({});
    expect(Object.values(delays)).toEqual(Array(3).fill({ min: 0, max: 0 }));
    expect([failures.rpcRate, failures.taskRate, failures.sourceRate, outage, without.size]).toEqual([
      0,
      0,
      0,
      false,
      0,
    ]);
  });
});
