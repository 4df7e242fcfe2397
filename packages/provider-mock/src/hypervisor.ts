import { existsSync } from "node:fs";
import { join } from "node:path";
import { systemClock, type Clock } from "@almanac/core";
import {
  openStateFile,
  type CloneDocuments,
  type CreateDocuments,
  type DesiredVmJson,
  type ImageSpecJson,
  type RequestOf,
  type ResponseInit,
} from "@almanac/provider";
import type { Change } from "./change.ts";
import { createExportFiles } from "./disk-content.ts";
import { createHypervisorState, type Effect } from "./hypervisor-state.ts";
import { resolveMockOptions, type MockOptions, type MockSettings } from "./options.ts";
import { planExport, planImage, planImport, type ExportPlan, type ImagePlan, type ImportPlan } from "./plan-storage.ts";
import { planRevert, planSnapshot, planSnapshotDeletion, type SnapshotPlan } from "./plan-snapshot.ts";
import { planClone, planCreate, planDelete, planPower, planReconfigure, planUpgrade, type VmPlan } from "./plan-vm.ts";
import { head, vmForChange, type Plan, type World } from "./planning.ts";
import { capabilities, describeVm, diskInfo, listVms } from "./queries.ts";
import { createSeededRandom, type SeededRandom } from "./random.ts";
import type { MockRecord, PowerState } from "./records.ts";

export interface MockHypervisorOptions extends MockOptions {
  /** Where VMs, images and exports are kept. Default: in memory, gone with the process. */
  readonly stateDir?: string;
  /** Told every effect once it is kept; also after a restart, for effects `isJournaled` does not know. Must not throw. */
  onEffect?(effect: Effect): void;
  /** Whether an effect was told before. Asked at the start only. Default: all were. */
  isJournaled?(change: string): boolean;
  readonly clock?: Clock;
}

/**
 * A hypervisor without VMs that run. What an RPC asks for comes as a plan, which changes nothing; `apply` carries a plan's change out, at
 * once or when its task is due. Everything throws ProviderError only, with the codes of the contract.
 */
export interface MockHypervisor extends Disposable {
  readonly settings: MockSettings;
  readonly random: SeededRandom;
  /** Not reachable: told so, or a file `outage` lies in its state directory. */
  readonly outage: boolean;
  setOutage(outage: boolean): void;

  planCreate(request: RequestOf<"createVM">, documents: CreateDocuments): VmPlan;
  planClone(request: RequestOf<"cloneVM">, documents: CloneDocuments): VmPlan;
  planDelete(id: string): Plan;
  planPower(request: RequestOf<"powerVM">): Plan;
  planReconfigure(id: string, desired: DesiredVmJson): Plan;
  planUpgrade(request: RequestOf<"upgradeHardware">): Plan;
  planSnapshot(request: RequestOf<"createSnapshot">): SnapshotPlan;
  planSnapshotDeletion(request: RequestOf<"deleteSnapshot">): Plan;
  planRevert(request: RequestOf<"revertSnapshot">): Plan;
  planImage(request: RequestOf<"prepareImage">, image: ImageSpecJson): ImagePlan;
  planExport(request: RequestOf<"exportDisk">): ExportPlan;
  planImport(request: RequestOf<"importDisk">): ImportPlan;

  /** Makes a change hold what it touches: other wishes for it are ABORTED, the same wish finds it. */
  reserve(change: Change): void;
  release(change: Change): void;
  /** Has the change's effect, once, however often it is called. */
  apply(change: Change): void;

  describe(id: string): ResponseInit<"describeVM">;
  list(): ResponseInit<"listVMs">;
  diskInfo(request: RequestOf<"getDiskInfo">): ResponseInit<"getDiskInfo">;
  capabilities(): ResponseInit<"getCapabilities">;
  /** Present VMs by power state. */
  countByPowerState(): Readonly<Record<PowerState, number>>;
  /** Suspends a running VM, as an administrator at its console would: no RPC does that. */
  suspend(id: string): void;
}

/** @throws MockProviderError `invalid_options`; ProviderError DATA_LOSS when the state directory is damaged. */
export function createMockHypervisor(options: MockHypervisorOptions = {}): MockHypervisor {
  const settings = resolveMockOptions(options);
  const { stateDir, clock = systemClock } = options;
  const at = (name: string): string | undefined => (stateDir === undefined ? undefined : join(stateDir, name));
  const exportFiles = createExportFiles(at("exports"));
  const outageFile = at("outage");
  const records = openStateFile<MockRecord>(at("state.jsonl"));
  const state = createHypervisorState(records, (effect) => options.onEffect?.(effect));
  const random = createSeededRandom(settings.seed);
  const world: World = { state, settings, random, now: () => clock.now() };
  let outage = settings.outage;

  if (options.isJournaled !== undefined) state.recover((change) => options.isJournaled?.(change) ?? true);

  function apply(change: Change): void {
    // Before the record: a record of an export promises that its bytes are there.
    if (change.kind === "put" && change.record.kind === "export") {
      const { url, content, format } = change.record;
      exportFiles.write(url, content, format);
    }
    state.apply(change, clock.now());
  }

  return {
    settings,
    random,
    get outage() {
      return outage || (outageFile !== undefined && existsSync(outageFile));
    },
    setOutage(value) {
      outage = value;
    },
    planCreate: (request, documents) => planCreate(world, request, documents),
    planClone: (request, documents) => planClone(world, request, documents),
    planDelete: (id) => planDelete(world, id),
    planPower: (request) => planPower(world, request),
    planReconfigure: (id, desired) => planReconfigure(world, id, desired),
    planUpgrade: (request) => planUpgrade(world, request),
    planSnapshot: (request) => planSnapshot(world, request),
    planSnapshotDeletion: (request) => planSnapshotDeletion(world, request),
    planRevert: (request) => planRevert(world, request),
    planImage: (request, image) => planImage(world, request, image),
    planExport: (request) => planExport(world, request),
    planImport: (request) => planImport(world, request, exportFiles),
    reserve: (change) => state.reserve(change),
    release: (change) => state.release(change),
    apply,
    describe: (id) => describeVm(world, id),
    list: () => listVms(world),
    diskInfo: (request) => diskInfo(world, request),
    capabilities: () => capabilities(world),
    countByPowerState() {
      const counts = { On: 0, Off: 0, Suspended: 0 };
      for (const vm of state.vms()) counts[vm.powerState]++;
      return counts;
    },
    suspend(id) {
      vmForChange(world, id, "suspend");
      apply({ ...head("PowerVM", "suspend"), method: "Suspend", kind: "suspend", vm: id });
    },
    [Symbol.dispose]: () => records[Symbol.dispose](),
  };
}
