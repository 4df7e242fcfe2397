import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { ownerTag, serviceNames } from "../contract.ts";
import { ProviderError } from "../error.ts";
import { expectError, skipUnless, type ConformanceCase } from "./case.ts";

/** The server itself: both service names, the standard services, deadlines and cancellation. */
export const serviceCases: readonly ConformanceCase[] = [
  {
    name: "a healthy hypervisor validates",
    async run({ client }) {
      const { ok, message } = await client.validate({});
      assert.equal(ok, true, `ok=false: ${message}`);
    },
  },
  {
    name: "the capabilities do not contradict themselves",
    run({ capabilities }) {
      assert.equal(capabilities.supportsDiskExport, capabilities.supportedExportFormats.length > 0);
      assert.equal(capabilities.supportsDiskImport, capabilities.supportedImportFormats.length > 0);
      assert.ok(capabilities.supportsSnapshots || !capabilities.supportsMemorySnapshots);
      return Promise.resolve();
    },
  },
  {
    name: "both service names give equal answers",
    async run(context) {
      const { client, createVm } = context;
      const other = await context.other();
      const vm = await createVm();
      assert.deepEqual(await other.getCapabilities({}), await client.getCapabilities({}));
      assert.deepEqual(await other.describeVM({ id: vm.id }), await client.describeVM({ id: vm.id }));
      const missing = { vmId: vm.id, diskId: "missing" };
      const [mine, theirs] = [client, other].map((side) => expectError(side.getDiskInfo(missing), "NOT_FOUND"));
      assert.equal((await theirs)?.details, (await mine)?.details);
    },
  },
  {
    name: "the health service says SERVING for the server and for its services",
    async run({ standard, compatible }) {
      assert.equal(await standard.health(""), "SERVING");
      assert.equal(await standard.health(serviceNames[compatible ? "compatible" : "native"]), "SERVING");
    },
  },
  {
    name: "reflection lists the service",
    async run({ standard, compatible }) {
      const services = await standard.reflectedServices();
      assert.ok(
        services.includes(serviceNames[compatible ? "compatible" : "native"]),
        `it lists ${services.join(", ")}`,
      );
    },
  },
  {
    name: "an error says as what it was counted",
    async run({ client }) {
      const error = await expectError(client.describeVM({ id: "" }), "INVALID_ARGUMENT");
      skipUnless(error.counted, "this provider sends no ErrorInfo");
      assert.equal(error.reason, "InvalidSpec");
    },
  },
  {
    name: "a call with a short deadline ends in time, as done or as DEADLINE_EXCEEDED",
    async run({ client }) {
      const start = performance.now();
      const ends = await Promise.all([1, 2, 3, 4, 5].map((deadlineMs) => codeOf(client.listVMs({}, { deadlineMs }))));
      for (const end of ends) assert.ok(end === "OK" || end === "DEADLINE_EXCEEDED", `it ended as ${end}`);
      assert.ok(performance.now() - start < 5000, "a deadline of 5 ms took more than 5 s");
      assert.equal((await client.validate({})).ok, true);
    },
  },
  {
    name: "a cancelled creation can be repeated and leaves one VM",
    async run({ client, createVm, cleanUp, name }) {
      const [vmName, owner] = [name(), randomUUID()];
      const controller = new AbortController();
      const request = { name: vmName, tags: [`${ownerTag}=${owner}`] };
      const call = client.createVM(request, { signal: controller.signal }).then((reply) => cleanUp(reply.id));
      controller.abort(new Error("changed our mind"));
      const end = await codeOf(call);
      assert.ok(end === "OK" || end === "CANCELLED", `it ended as ${end}`);
      const vm = await createVm({ name: vmName, owner });
      const named = (await client.listVMs({})).vms.filter((listed) => listed.name === vmName);
      assert.deepEqual(
        named.map(({ id }) => id),
        [vm.id],
      );
    },
  },
];

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (thrown: unknown) => ProviderError.from(thrown).code,
  );
}
