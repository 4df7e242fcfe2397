import { describe, expect, it } from "vitest";
import { create } from "@bufbuild/protobuf";
import { decodeDocuments, encodeCreateDocuments, encodeDesiredVm, type CreateDocuments } from "./documents.ts";
import { CreateRequestSchema, ReconfigureRequestSchema } from "./gen/provider/v1/provider_pb.ts";

function decodeCreate(fields: Partial<Record<"classJson" | "networksJson" | "disksJson", string>>): CreateDocuments {
  return decodeDocuments("CreateVM", create(CreateRequestSchema, fields)) as CreateDocuments;
}

describe("decodeDocuments", () => {
  it("gives empty documents for null, blank and absent ones", () => {
    const empty = { class: {}, image: {}, networks: [], disks: [], placement: {} };
    expect(decodeDocuments("CreateVM", create(CreateRequestSchema, encodeCreateDocuments({})))).toEqual(empty);
    expect(decodeCreate({})).toEqual(empty);
    expect(decodeCreate({ classJson: " " })).toEqual(empty);
  });

  it("drops keys that are null and keeps keys it does not know", () => {
    expect(decodeCreate({ classJson: '{"CPU":2,"DiskDefaults":null,"Future":{"a":[1]}}' }).class).toEqual({
      CPU: 2,
      Future: { a: [1] },
    });
  });

  it("reads back what it writes", () => {
    const documents: CreateDocuments = {
      class: { CPU: 2, MemoryMiB: 2048, ExtraConfig: { a: "b" }, SecurityProfile: { TPMVersion: "2.0" } },
      image: { TemplateName: "ubuntu" },
      networks: [{ Name: "lan", VLAN: 7, DNS: ["1.1.1.1"] }],
      disks: [{ SizeGiB: 20, Name: "data" }],
      placement: { Folder: "lab" },
    };
    expect(decodeDocuments("CreateVM", create(CreateRequestSchema, encodeCreateDocuments(documents)))).toEqual(
      documents,
    );
    const desired = { Name: "a", Class: { CPU: 4 }, Tags: ["x"] };
    expect(decodeDocuments("ReconfigureVM", create(ReconfigureRequestSchema, encodeDesiredVm(desired)))).toEqual(
      desired,
    );
  });

  it.each([
    [{ classJson: '{"CPU":"four"}' }, 'class_json.CPU: expected a number, got "four"'],
    [{ classJson: '{"CPU":1.5}' }, "class_json.CPU: expected a whole number of at least 0, got 1.5"],
    [{ classJson: "[]" }, "class_json: expected an object, got a list"],
    [{ classJson: '{"ExtraConfig":{"a":1}}' }, "class_json.ExtraConfig.a: expected a string, got 1"],
    [
      { classJson: '{"PerformanceProfile":{"CPUHotAddEnabled":"yes"}}' },
      'class_json.PerformanceProfile.CPUHotAddEnabled: expected true or false, got "yes"',
    ],
    [{ networksJson: '[{},{"VLAN":"7"}]' }, 'networks_json[1].VLAN: expected a number, got "7"'],
    [{ networksJson: '[{"DNS":[null]}]' }, "networks_json[0].DNS[0]: expected a string, got null"],
    [{ disksJson: '{"SizeGiB":1}' }, "disks_json: expected a list, got an object"],
  ])("refuses %j naming the key", (fields, message) => {
    expect(() => decodeCreate(fields)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", reason: "InvalidSpec", details: message }),
    );
  });

  it("says what is malformed without quoting the document", () => {
    const desiredJson = '{"UserData":{"CloudInitData":"password: hunter2", oops}}';
    const decode = (): unknown => decodeDocuments("ReconfigureVM", create(ReconfigureRequestSchema, { desiredJson }));
    expect(decode).toThrow(/^\[INVALID_ARGUMENT\] desired_json: /);
    expect(decode).not.toThrow(/hunter2/);
  });

  it("does not repeat long values", () => {
    expect(() => decodeCreate({ classJson: `{"CPU":"${"x".repeat(5000)}"}` })).toThrow(
      "class_json.CPU: expected a number, got a string of 5000 characters",
    );
  });
});
