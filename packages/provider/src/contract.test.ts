import { describe, expect, it } from "vitest";
import { providerMethods } from "@almanac/catalog";
import { methodOfPath, methods, ownerOf, wantsAdoption } from "./contract.ts";
import { Provider as Native } from "./gen/almanac/provider/v1/provider_pb.ts";
import { file_provider_v1_provider, Provider as Compatible } from "./gen/provider/v1/provider_pb.ts";

describe("methods", () => {
  it("are those of the metrics catalog", () => {
    expect(methods.map(({ method }) => method).sort()).toEqual([...providerMethods.values].sort());
  });

  it("carry the same messages under both names", () => {
    expect(Compatible.methods.map(({ input, output }) => [input.typeName, output.typeName])).toEqual(
      Native.methods.map(({ input, output }) => [input.typeName, output.typeName]),
    );
  });

  it.each([
    ["/almanac.provider.v1.Provider/CreateVM", "/provider.v1.Provider/Create", "CreateVM", 300_000],
    [
      "/almanac.provider.v1.Provider/UpgradeHardware",
      "/provider.v1.Provider/HardwareUpgrade",
      "UpgradeHardware",
      300_000,
    ],
    ["/almanac.provider.v1.Provider/RevertSnapshot", "/provider.v1.Provider/SnapshotRevert", "RevertSnapshot", 300_000],
    ["/almanac.provider.v1.Provider/PrepareImage", "/provider.v1.Provider/ImagePrepare", "PrepareImage", 300_000],
    ["/almanac.provider.v1.Provider/TaskStatus", "/provider.v1.Provider/TaskStatus", "TaskStatus", 10_000],
    ["/almanac.provider.v1.Provider/ExportDisk", "/provider.v1.Provider/ExportDisk", "ExportDisk", 1_800_000],
  ])("%s is %s", (native, compatible, method, deadlineMs) => {
    expect(methodOfPath(native)).toMatchObject({ method, deadlineMs });
    expect(methodOfPath(compatible)).toBe(methodOfPath(native));
  });
});

describe("the messages", () => {
  const fields = Object.fromEntries(
    file_provider_v1_provider.messages.map((message) => [
      message.name,
      message.fields.map((field) => `${field.name}=${field.number}`).join(" "),
    ]),
  );

  it.each([
    [
      "CreateRequest",
      "name=1 user_data=2 class_json=3 image_json=4 networks_json=5 disks_json=6 placement_json=7 tags=8 meta_data=9",
    ],
    ["PowerRequest", "id=1 op=2 graceful_timeout_seconds=3"],
    ["DescribeResponse", "exists=1 power_state=2 ips=3 console_url=4 provider_raw_json=5"],
    ["ImportDiskResponse", "disk_id=1 path=2 task=3 actual_size_bytes=4 checksum=5"],
    ["VMInfo", "id=1 name=2 power_state=3 ips=4 cpu=5 memory_mib=6 disks=7 networks=8 provider_raw=9"],
  ])("%s has VirtRigaud's field numbers", (message, expected) => {
    expect(fields[message]).toBe(expected);
  });
});

describe("ownerOf", () => {
  it.each([
    [["almanac.dev/owner=uid-1"], "uid-1"],
    [["team=a", "almanac.dev/owner=uid-1", "almanac.dev/owner=uid-2"], "uid-1"],
    [["almanac.dev/owner="], undefined],
    [["xalmanac.dev/owner=a"], undefined],
    [[], undefined],
  ])("of %j is %s", (tags, owner) => {
    expect(ownerOf(tags)).toBe(owner);
  });
});

describe("wantsAdoption", () => {
  it("takes the one spelling only", () => {
    expect(wantsAdoption(["virtrigaud.io/adopt=true"])).toBe(true);
    expect(wantsAdoption(["virtrigaud.io/adopt=false", "virtrigaud.io/adopt"])).toBe(false);
  });
});
