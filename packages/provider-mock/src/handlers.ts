import { sleep, type Clock } from "@almanac/core";
import type { ProviderMethod } from "@almanac/catalog";
import {
  PowerOp,
  ProviderError,
  type ProviderCall,
  type ProviderErrorCode,
  type ProviderFunction,
  type ProviderHandlers,
  type RequestOf,
  type ResponseInit,
  type TaskStore,
} from "@almanac/provider";
import type { MockConnection } from "./connection.ts";
import type { MockHypervisor } from "./hypervisor.ts";
import type { Operations } from "./operations.ts";

interface MockHandlersOptions {
  readonly hypervisor: MockHypervisor;
  readonly connection: MockConnection;
  readonly operations: Operations;
  readonly tasks: TaskStore;
  readonly clock: Clock;
}

/** The contract on top of a mock hypervisor, with the delays and failures of its settings. */
export function createMockHandlers(options: MockHandlersOptions): ProviderHandlers {
  const { hypervisor, connection, operations, tasks, clock } = options;
  const { delays, failures } = hypervisor.settings;
  const { random } = hypervisor;

  function injectFailure(method: ProviderMethod): void {
    const rate = failures.methods[method]?.rpcRate ?? failures.rpcRate;
    if (rate === 0 || random.next(`rpcRate/${method}`) >= rate) return;
    throw new ProviderError(drawCode(method), `injected failure of ${method}`);
  }

  function drawCode(method: ProviderMethod): ProviderErrorCode {
    const weights = Object.entries(failures.codes) as [ProviderErrorCode, number][];
    const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
    let rest = random.next(`codes/${method}`) * total;
    for (const [code, weight] of weights) {
      rest -= weight;
      if (rest < 0) return code;
    }
    return "UNAVAILABLE";
  }

  function rpc<F extends ProviderFunction>(
    work: (request: RequestOf<F>, call: ProviderCall<F>) => ResponseInit<F>,
  ): (request: RequestOf<F>, call: ProviderCall<F>) => Promise<ResponseInit<F>> {
    return async (request, call) => {
      const delayMs = random.between(`rpcMs/${call.method}`, delays.rpcMs);
      if (delayMs > 0) await sleep(delayMs, { signal: call.signal, clock });
      connection.use(call.method, "op" in request ? request.op : undefined);
      injectFailure(call.method);
      return work(request, call);
    };
  }

  return {
    async validate(request, call) {
      // The one answer a dead hypervisor still gives.
      if (hypervisor.outage) return { ok: false, message: "the hypervisor is not reachable" };
      return rpc<"validate">(() => ({ ok: true, message: "mock hypervisor" }))(request, call);
    },
    getCapabilities: rpc(() => hypervisor.capabilities()),
    createVM: rpc((request, { documents }) => {
      const plan = hypervisor.planCreate(request, documents);
      return { id: plan.id, ...operations.carryOut("CreateVM", plan) };
    }),
    deleteVM: rpc(({ id }) => operations.carryOut("DeleteVM", hypervisor.planDelete(id))),
    powerVM: rpc((request) => {
      const { op, gracefulTimeoutSeconds } = request;
      const limited = op === PowerOp.SHUTDOWN_GRACEFUL && gracefulTimeoutSeconds > 0;
      // A guest that takes longer has its power cut.
      const limitMs = limited ? gracefulTimeoutSeconds * 1000 : undefined;
      return operations.carryOut("PowerVM", hypervisor.planPower(request), limitMs);
    }),
    reconfigureVM: rpc(({ id }, { documents }) =>
      operations.carryOut("ReconfigureVM", hypervisor.planReconfigure(id, documents)),
    ),
    upgradeHardware: rpc((request) => operations.carryOut("UpgradeHardware", hypervisor.planUpgrade(request))),
    describeVM: rpc(({ id }) => hypervisor.describe(id)),
    taskStatus: rpc(({ task }) => tasks.status(task?.id ?? "")),
    createSnapshot: rpc((request) => {
      const plan = hypervisor.planSnapshot(request);
      return { snapshotId: plan.snapshotId, ...operations.carryOut("CreateSnapshot", plan) };
    }),
    deleteSnapshot: rpc((request) => operations.carryOut("DeleteSnapshot", hypervisor.planSnapshotDeletion(request))),
    revertSnapshot: rpc((request) => operations.carryOut("RevertSnapshot", hypervisor.planRevert(request))),
    cloneVM: rpc((request, { documents }) => {
      const plan = hypervisor.planClone(request, documents);
      return { targetVmId: plan.id, ...operations.carryOut("CloneVM", plan) };
    }),
    prepareImage: rpc((request, { documents }) => {
      const plan = hypervisor.planImage(request, documents);
      const { imageId: preparedImageId, path: preparedImagePath } = plan;
      return { preparedImageId, preparedImagePath, ...operations.carryOut("PrepareImage", plan) };
    }),
    exportDisk: rpc((request) => {
      const plan = hypervisor.planExport(request);
      const { exportId, sizeBytes: estimatedSizeBytes, checksum } = plan;
      return { exportId, estimatedSizeBytes, checksum, ...operations.carryOut("ExportDisk", plan) };
    }),
    importDisk: rpc((request) => {
      const plan = hypervisor.planImport(request);
      const { diskId, path, sizeBytes: actualSizeBytes, checksum } = plan;
      return { diskId, path, actualSizeBytes, checksum, ...operations.carryOut("ImportDisk", plan) };
    }),
    getDiskInfo: rpc((request) => hypervisor.diskInfo(request)),
    listVMs: rpc(() => hypervisor.list()),
  };
}
