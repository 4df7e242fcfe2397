import { parseMockOptions } from "@almanac/provider-mock";
import { describe, expect, it } from "vitest";
import { mockSettings } from "./mock-settings.ts";

describe("mockSettings", () => {
  it("lets flags win over the environment and that over the endpoint", () => {
    const settings = mockSettings({
      endpoint: "mock:///?seed=1&rpcMs=1&taskMs=1",
      env: { MOCK_RPC_MS: "2-3", MOCK_TASK_MS: "2", PATH: "/bin" },
      flags: ["taskMs=4-5"],
    });
    expect(settings).toEqual({ seed: "1", rpcMs: "2-3", taskMs: "4-5" });
    expect(parseMockOptions(settings)).toMatchObject({ seed: 1, delays: { rpcMs: { min: 2, max: 3 } } });
  });

  it("takes nothing from the endpoint of a real hypervisor", () => {
    expect(mockSettings({ endpoint: "https://vcenter.example/sdk?seed=1", env: {}, flags: [] })).toEqual({});
  });

  it("refuses a flag of another form", () => {
    expect(() => mockSettings({ env: {}, flags: ["rpcMs"] })).toThrow('--mock: "rpcMs" is not NAME=VALUE');
  });
});
