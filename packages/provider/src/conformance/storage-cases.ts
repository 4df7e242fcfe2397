import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { ownerTag } from "../contract.ts";
import { encodeCloneDocuments } from "../documents.ts";
import { PowerOp } from "../gen/provider/v1/provider_pb.ts";
import { expectError, skipUnless, type CaseContext, type ConformanceCase } from "./case.ts";

async function clone(
  context: CaseContext,
  sourceVmId: string,
  targetName: string,
  owner: string,
  linked = false,
): Promise<string> {
  const documents = encodeCloneDocuments({ customize: { tags: [`${ownerTag}=${owner}`] } });
  const reply = context.client.cloneVM({ sourceVmId, targetName, linked, ...documents });
  void reply.then(
    ({ targetVmId }) => context.cleanUp(targetVmId),
    () => undefined,
  );
  return (await context.settle(reply)).targetVmId;
}

const exportUrl = (): string => `pvc://conformance/${randomUUID()}.qcow2`;

/** Snapshots, clones, images and disks. */
export const storageCases: readonly ConformanceCase[] = [
  {
    name: "a snapshot brings the VM back to what it was",
    async run({ client, createVm, settle, capabilities }) {
      skipUnless(capabilities.supportsSnapshots, "snapshots are not offered");
      const { id } = await createVm({ documents: { class: { CPU: 1, MemoryMiB: 512 } } });
      await settle(client.powerVM({ id, op: PowerOp.OFF }));
      const { snapshotId } = await settle(client.createSnapshot({ vmId: id, nameHint: "before" }));
      await settle(client.reconfigureVM({ id, desiredJson: '{"Class":{"CPU":2}}' }));
      await settle(client.revertSnapshot({ vmId: id, snapshotId }));
      const vm = (await client.listVMs({})).vms.find((listed) => listed.id === id);
      assert.equal(vm?.cpu, 1);
      await settle(client.deleteSnapshot({ vmId: id, snapshotId }));
      await expectError(client.revertSnapshot({ vmId: id, snapshotId }), "NOT_FOUND");
    },
  },
  {
    name: "a VM reverted to a snapshot with memory runs",
    async run({ client, createVm, settle, capabilities }) {
      skipUnless(capabilities.supportsMemorySnapshots, "snapshots with memory are not offered");
      const { id } = await createVm();
      await settle(client.powerVM({ id, op: PowerOp.ON }));
      const { snapshotId } = await settle(client.createSnapshot({ vmId: id, nameHint: "live", includeMemory: true }));
      await settle(client.powerVM({ id, op: PowerOp.OFF }));
      await settle(client.revertSnapshot({ vmId: id, snapshotId }));
      assert.equal((await client.describeVM({ id })).powerState, "On");
    },
  },
  {
    name: "a full clone is a VM of its own",
    async run(context) {
      const { client, createVm, settle, name } = context;
      const source = await createVm({ documents: { class: { CPU: 2, MemoryMiB: 1024 } } });
      const id = await clone(context, source.id, name(), randomUUID());
      assert.notEqual(id, source.id);
      await settle(client.deleteVM({ id: source.id }));
      const listed = (await client.listVMs({})).vms.find((vm) => vm.id === id);
      assert.equal(listed?.cpu, 2);
    },
  },
  {
    name: "a linked clone builds on the disk of its source",
    async run(context) {
      const { client, createVm, name, capabilities } = context;
      skipUnless(capabilities.supportsLinkedClones, "linked clones are not offered");
      const source = await createVm();
      const id = await clone(context, source.id, name(), randomUUID(), true);
      assert.notEqual((await client.getDiskInfo({ vmId: id })).backingFile, "");
    },
  },
  {
    name: "cloning is idempotent by name and owner",
    async run(context) {
      const { createVm, name } = context;
      const source = await createVm();
      const [target, owner] = [name(), randomUUID()];
      const id = await clone(context, source.id, target, owner);
      assert.equal(await clone(context, source.id, target, owner), id);
      await expectError(clone(context, source.id, target, randomUUID()), "ALREADY_EXISTS", target);
    },
  },
  {
    name: "the clone of a missing VM is NOT_FOUND",
    async run(context) {
      await expectError(clone(context, `missing-${randomUUID()}`, context.name(), randomUUID()), "NOT_FOUND");
    },
  },
  {
    name: "preparing the same image again gives the same image",
    async run({ client, settle, name, capabilities }) {
      skipUnless(capabilities.supportsImageImport, "the import of images is not offered");
      const request = {
        imageJson: '{"source":{"libvirt":{"url":"https://images.example.com/a.qcow2"}}}',
        targetName: name(),
      };
      const first = await settle(client.prepareImage(request));
      assert.notEqual(first.preparedImageId, "");
      assert.equal((await settle(client.prepareImage(request))).preparedImageId, first.preparedImageId);
    },
  },
  {
    name: "the first disk of a VM has a path, a format and a size",
    async run({ client, createVm }) {
      const { id } = await createVm({ documents: { class: { CPU: 1, MemoryMiB: 512, DiskDefaults: { SizeGiB: 8 } } } });
      const info = await client.getDiskInfo({ vmId: id });
      assert.equal(info.virtualSizeBytes, 8n << 30n);
      assert.notEqual(info.path, "");
      assert.notEqual(info.format, "");
      await expectError(client.getDiskInfo({ vmId: id, diskId: "missing" }), "NOT_FOUND");
    },
  },
  {
    name: "an exported disk comes back with the same checksum",
    async run({ client, createVm, settle, capabilities }) {
      skipUnless(capabilities.supportsDiskExport, "the export of disks is not offered");
      skipUnless(capabilities.supportsDiskImport, "the import of disks is not offered");
      const { id } = await createVm();
      const url = exportUrl();
      const exported = await settle(client.exportDisk({ vmId: id, destinationUrl: url, format: "qcow2" }));
      const request = { sourceUrl: url, format: "qcow2", verifyChecksum: true, targetName: `disk-${randomUUID()}` };
      const imported = await settle(client.importDisk({ ...request, expectedChecksum: exported.checksum }));
      assert.equal(imported.checksum, exported.checksum);
      assert.notEqual(imported.diskId, "");
    },
  },
  {
    name: "a disk with another checksum than expected is refused",
    async run({ client, createVm, settle, capabilities }) {
      skipUnless(capabilities.supportsDiskExport, "the export of disks is not offered");
      skipUnless(capabilities.supportsDiskImport, "the import of disks is not offered");
      const { id } = await createVm();
      const url = exportUrl();
      await settle(client.exportDisk({ vmId: id, destinationUrl: url }));
      const request = { sourceUrl: url, verifyChecksum: true, expectedChecksum: "0".repeat(64) };
      // At once, or when the bytes have arrived: either way the import fails.
      await assert.rejects(settle(client.importDisk({ ...request, targetName: `disk-${randomUUID()}` })));
    },
  },
  {
    name: "what the capabilities do not offer is UNIMPLEMENTED",
    async run(context) {
      const { client, createVm, name, capabilities } = context;
      const { id } = await createVm();
      const calls: [boolean, () => Promise<unknown>][] = [
        [capabilities.supportsSnapshots, () => client.createSnapshot({ vmId: id, nameHint: "a" })],
        [capabilities.supportsMemorySnapshots, () => client.createSnapshot({ vmId: id, includeMemory: true })],
        [capabilities.supportsLinkedClones, () => clone(context, id, name(), randomUUID(), true)],
        [capabilities.supportsImageImport, () => client.prepareImage({ imageJson: '{"source":{"http":{}}}' })],
        [capabilities.supportsDiskExport, () => client.exportDisk({ vmId: id, destinationUrl: exportUrl() })],
        [capabilities.supportsDiskImport, () => client.importDisk({ sourceUrl: exportUrl() })],
      ];
      const missing = calls.filter(([offered]) => !offered);
      skipUnless(missing.length > 0, "everything is offered");
      for (const [, call] of missing) await expectError(call(), "UNIMPLEMENTED");
    },
  },
];
