import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { adoptTag, ownerTag } from "../contract.ts";
import { encodeCreateDocuments } from "../documents.ts";
import { expectError, type ConformanceCase } from "./case.ts";

/** From CreateVM to DeleteVM, and who a VM belongs to. */
export const lifecycleCases: readonly ConformanceCase[] = [
  {
    name: "a created VM is described and listed",
    async run({ client, createVm }) {
      const vm = await createVm({ documents: { class: { CPU: 2, MemoryMiB: 1024 } } });
      const described = await client.describeVM({ id: vm.id });
      assert.equal(described.exists, true);
      assert.match(described.powerState, /^(On|Off)$/);
      const listed = (await client.listVMs({})).vms.find(({ id }) => id === vm.id);
      assert.equal(listed?.name, vm.name);
      assert.equal(listed.cpu, 2);
      assert.equal(listed.memoryMib, 1024n);
      assert.ok(listed.disks.length > 0, "a VM has at least one disk");
    },
  },
  {
    name: "a missing VM is described as exists=false with status OK",
    async run({ client }) {
      assert.equal((await client.describeVM({ id: `missing-${randomUUID()}` })).exists, false);
    },
  },
  {
    name: "creating the same name for the same owner again gives the same id",
    async run({ createVm }) {
      const first = await createVm();
      const second = await createVm({ name: first.name, owner: first.owner });
      assert.equal(second.id, first.id);
    },
  },
  {
    name: "creations of the same VM at the same time give one id and one VM",
    async run({ client, createVm, name }) {
      const wishes = { name: name(), owner: randomUUID() };
      const made = await Promise.all([createVm(wishes), createVm(wishes), createVm(wishes)]);
      assert.equal(new Set(made.map(({ id }) => id)).size, 1);
      const named = (await client.listVMs({})).vms.filter((vm) => vm.name === wishes.name);
      assert.equal(named.length, 1);
    },
  },
  {
    name: "the same name for another owner is ALREADY_EXISTS",
    async run({ createVm }) {
      const vm = await createVm();
      await expectError(createVm({ name: vm.name, owner: randomUUID() }), "ALREADY_EXISTS", vm.name);
    },
  },
  {
    name: "without an owner tag the name alone decides",
    async run({ createVm }) {
      const owned = await createVm();
      assert.equal((await createVm({ name: owned.name, owner: null })).id, owned.id);
      const free = await createVm({ owner: null });
      assert.equal((await createVm({ name: free.name, owner: null })).id, free.id);
    },
  },
  {
    name: "a VM without owner is taken over only when adoption is asked for",
    async run({ createVm }) {
      const vm = await createVm({ owner: null });
      const owner = randomUUID();
      await expectError(createVm({ name: vm.name, owner }), "ALREADY_EXISTS", vm.name);
      assert.equal((await createVm({ name: vm.name, owner, tags: [`${adoptTag}=true`] })).id, vm.id);
      await expectError(createVm({ name: vm.name, owner: randomUUID() }), "ALREADY_EXISTS", vm.name);
    },
  },
  {
    name: "a deleted VM is gone from describe and list",
    async run({ client, createVm, settle }) {
      const { id } = await createVm();
      await settle(client.deleteVM({ id }));
      assert.equal((await client.describeVM({ id })).exists, false);
      assert.equal(
        (await client.listVMs({})).vms.some((vm) => vm.id === id),
        false,
      );
    },
  },
  {
    name: "deleting a VM that is gone is done",
    async run({ client, createVm, settle }) {
      const { id } = await createVm();
      await settle(client.deleteVM({ id }));
      await settle(client.deleteVM({ id }));
    },
  },
  {
    name: "the name of a deleted VM is free for another owner",
    async run({ client, createVm, settle }) {
      const first = await createVm();
      await settle(client.deleteVM({ id: first.id }));
      const second = await createVm({ name: first.name, owner: randomUUID() });
      assert.equal((await client.describeVM({ id: second.id })).exists, true);
    },
  },
  {
    name: "blank names and ids are INVALID_ARGUMENT that names the field",
    async run({ client }) {
      await expectError(client.createVM({ name: " " }), "INVALID_ARGUMENT", "name");
      await expectError(client.describeVM({ id: "" }), "INVALID_ARGUMENT", "id");
      await expectError(client.deleteSnapshot({ vmId: "vm", snapshotId: "" }), "INVALID_ARGUMENT", "snapshot_id");
    },
  },
  {
    name: "malformed JSON is INVALID_ARGUMENT that names the document",
    async run({ client, name }) {
      const request = { name: name(), ...encodeCreateDocuments({}) };
      await expectError(client.createVM({ ...request, classJson: "{CPU" }), "INVALID_ARGUMENT", "class_json");
      await expectError(client.createVM({ ...request, networksJson: "[{]" }), "INVALID_ARGUMENT", "networks_json");
    },
  },
  {
    name: "a JSON value of the wrong type is INVALID_ARGUMENT that names its key",
    async run({ client, name, createVm }) {
      const request = { name: name(), ...encodeCreateDocuments({}) };
      await expectError(client.createVM({ ...request, classJson: '{"CPU":"four"}' }), "INVALID_ARGUMENT", "CPU");
      await expectError(client.createVM({ ...request, disksJson: '[{"SizeGiB":-1}]' }), "INVALID_ARGUMENT", "SizeGiB");
      const { id } = await createVm();
      const desiredJson = '{"Class":{"MemoryMiB":true}}';
      await expectError(client.reconfigureVM({ id, desiredJson }), "INVALID_ARGUMENT", "MemoryMiB");
    },
  },
  {
    name: "null documents, an absent placement and unknown keys are accepted",
    async run({ client, name, settle, cleanUp }) {
      const reply = await settle(
        client.createVM({
          name: name(),
          classJson: '{"CPU":1,"MemoryMiB":512,"DiskDefaults":null,"ExtraConfig":null,"FutureKey":{"a":1}}',
          imageJson: "null",
          networksJson: "null",
          disksJson: "null",
          placementJson: "",
          tags: [`${ownerTag}=${randomUUID()}`],
        }),
      );
      cleanUp(reply.id);
      assert.equal((await client.describeVM({ id: reply.id })).exists, true);
    },
  },
];
