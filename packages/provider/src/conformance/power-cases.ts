import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { PowerOp } from "../gen/provider/v1/provider_pb.ts";
import { expectError, skipUnless, type CaseContext, type ConformanceCase } from "./case.ts";

async function power(context: CaseContext, id: string, op: PowerOp, gracefulTimeoutSeconds = 0): Promise<void> {
  await context.settle(context.client.powerVM({ id, op, gracefulTimeoutSeconds }));
}

async function stateOf({ client }: CaseContext, id: string): Promise<string> {
  return (await client.describeVM({ id })).powerState;
}

/** Power, shape and tasks of a VM. */
export const powerCases: readonly ConformanceCase[] = [
  {
    name: "a VM that is powered on is On and gets an IP address",
    async run(context) {
      const { client, createVm, until } = context;
      const { id } = await createVm();
      await power(context, id, PowerOp.ON);
      const described = await until(
        "an IP address",
        () => client.describeVM({ id }),
        ({ ips }) => ips.length > 0,
      );
      assert.equal(described.powerState, "On");
    },
  },
  {
    name: "a VM that is powered off is Off",
    async run(context) {
      const { id } = await context.createVm();
      await power(context, id, PowerOp.ON);
      await power(context, id, PowerOp.OFF);
      assert.equal(await stateOf(context, id), "Off");
    },
  },
  {
    name: "a power state the VM has already is done",
    async run(context) {
      const { id } = await context.createVm();
      await power(context, id, PowerOp.OFF);
      await power(context, id, PowerOp.ON);
      await power(context, id, PowerOp.ON);
      assert.equal(await stateOf(context, id), "On");
    },
  },
  {
    name: "a rebooted VM is On",
    async run(context) {
      const { id } = await context.createVm();
      await power(context, id, PowerOp.ON);
      await power(context, id, PowerOp.REBOOT);
      assert.equal(await stateOf(context, id), "On");
    },
  },
  {
    name: "a VM that does not run cannot reboot: FAILED_PRECONDITION",
    async run(context) {
      const { id } = await context.createVm();
      await power(context, id, PowerOp.OFF);
      await expectError(context.client.powerVM({ id, op: PowerOp.REBOOT }), "FAILED_PRECONDITION");
    },
  },
  {
    name: "a graceful shutdown ends Off within its timeout",
    async run(context) {
      const { id } = await context.createVm();
      await power(context, id, PowerOp.ON);
      const start = performance.now();
      await power(context, id, PowerOp.SHUTDOWN_GRACEFUL, 5);
      assert.equal(await stateOf(context, id), "Off");
      // The timeout, and as much again for a hypervisor that has to cut the power.
      assert.ok(performance.now() - start < 10_000, "the power was not cut when the timeout had passed");
    },
  },
  {
    name: "an unknown power operation is INVALID_ARGUMENT that names op",
    async run({ client, createVm }) {
      const { id } = await createVm();
      await expectError(client.powerVM({ id, op: PowerOp.UNSPECIFIED }), "INVALID_ARGUMENT", "op");
    },
  },
  {
    name: "operations on a missing VM are NOT_FOUND",
    async run({ client }) {
      const id = `missing-${randomUUID()}`;
      await expectError(client.powerVM({ id, op: PowerOp.ON }), "NOT_FOUND");
      await expectError(client.reconfigureVM({ id, desiredJson: '{"Class":{"CPU":2}}' }), "NOT_FOUND");
      await expectError(client.getDiskInfo({ vmId: id }), "NOT_FOUND");
    },
  },
  {
    name: "a suspended VM is Suspended natively and Off for VirtRigaud",
    async run(context) {
      const { client, createVm, suspend, compatible } = context;
      skipUnless(suspend !== undefined, "no way to suspend a VM was given");
      const { id } = await createVm();
      await power(context, id, PowerOp.ON);
      await suspend?.(id);
      const expected = (service: boolean): string => (service ? "Off" : "Suspended");
      assert.equal(await stateOf(context, id), expected(compatible));
      const other = await context.other();
      assert.equal((await other.describeVM({ id })).powerState, expected(!compatible));
      const listed = (await other.listVMs({})).vms.find((vm) => vm.id === id);
      assert.equal(listed?.powerState, expected(!compatible));
      await power({ ...context, client }, id, PowerOp.ON);
      assert.equal(await stateOf(context, id), "On");
    },
  },
  {
    name: "the status of an unknown task is NOT_FOUND",
    async run({ client }) {
      await expectError(client.taskStatus({ task: { id: `missing-${randomUUID()}` } }), "NOT_FOUND");
      await expectError(client.taskStatus({}), "INVALID_ARGUMENT", "task.id");
    },
  },
  {
    name: "an ended task stays readable",
    async run({ client, createVm, settle }) {
      const { id } = await createVm();
      const { task } = await settle(client.powerVM({ id, op: PowerOp.ON }));
      skipUnless(task !== undefined, "this provider finishes a power-on within the call");
      const again = await client.taskStatus(task === undefined ? {} : { task });
      assert.deepEqual([again.done, again.error], [true, ""]);
    },
  },
  {
    name: "a reconfigured VM has its new size",
    async run({ client, createVm, settle }) {
      const { id, name } = await createVm({ documents: { class: { CPU: 1, MemoryMiB: 512 } } });
      await settle(client.powerVM({ id, op: PowerOp.OFF }));
      const desired = { Name: name, Class: { CPU: 4, MemoryMiB: 2048 }, Networks: null, Disks: null };
      await settle(client.reconfigureVM({ id, desiredJson: JSON.stringify(desired) }));
      const vm = (await client.listVMs({})).vms.find((listed) => listed.id === id);
      assert.deepEqual([vm?.cpu, vm?.memoryMib], [4, 2048n]);
    },
  },
  {
    name: "a disk grows and never shrinks",
    async run({ client, createVm, settle }) {
      const disk = { Name: "data", SizeGiB: 10 };
      const { id } = await createVm({ documents: { class: { CPU: 1, MemoryMiB: 512 }, disks: [disk] } });
      const desired = (sizeGiB: number): string => JSON.stringify({ Disks: [{ Name: "data", SizeGiB: sizeGiB }] });
      await settle(client.reconfigureVM({ id, desiredJson: desired(20) }));
      const vm = (await client.listVMs({})).vms.find((listed) => listed.id === id);
      assert.ok(
        vm?.disks.some(({ sizeGib }) => sizeGib === 20),
        "no disk has 20 GiB",
      );
      await expectError(client.reconfigureVM({ id, desiredJson: desired(5) }), "INVALID_ARGUMENT", "SizeGiB");
    },
  },
];
