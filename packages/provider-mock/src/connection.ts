import { virtrigaud, type ProviderMethod, type ProviderType } from "@almanac/catalog";
import { PowerOp, ProviderError } from "@almanac/provider";
import type { Telemetry } from "@almanac/telemetry";
import type { MockHypervisor } from "./hypervisor.ts";

/** The way from the provider to its hypervisor, with the metrics a provider of that type has about it. */
export interface MockConnection extends Disposable {
  /**
   * One call of the hypervisor. Connects first when the last call found it unreachable.
   *
   * @throws ProviderError UNAVAILABLE during an outage.
   */
  use(method: ProviderMethod, op?: PowerOp): void;
}

interface MockConnectionOptions {
  readonly hypervisor: MockHypervisor;
  readonly telemetry: Telemetry;
  readonly providerType: ProviderType;
  /** Label `datacenter` of a vSphere, `host` of a libvirt. */
  readonly site: string;
}

/** vSphere's name for what each method of the contract does first. */
const vsphereCalls: Readonly<Record<ProviderMethod, string>> = {
  Validate: "CurrentTime",
  GetCapabilities: "QueryConfigOption",
  CreateVM: "CreateVM_Task",
  DeleteVM: "Destroy_Task",
  PowerVM: "PowerOnVM_Task",
  ReconfigureVM: "ReconfigVM_Task",
  UpgradeHardware: "UpgradeVM_Task",
  DescribeVM: "RetrievePropertiesEx",
  TaskStatus: "RetrievePropertiesEx",
  CreateSnapshot: "CreateSnapshotEx_Task",
  DeleteSnapshot: "RemoveSnapshot_Task",
  RevertSnapshot: "RevertToSnapshot_Task",
  CloneVM: "CloneVM_Task",
  PrepareImage: "ImportVApp",
  ExportDisk: "ExportVm",
  ImportDisk: "CopyVirtualDisk_Task",
  GetDiskInfo: "RetrievePropertiesEx",
  ListVMs: "RetrievePropertiesEx",
};

const vspherePowerCalls: Readonly<Partial<Record<PowerOp, string>>> = {
  [PowerOp.OFF]: "PowerOffVM_Task",
  [PowerOp.REBOOT]: "ResetVM_Task",
  [PowerOp.SHUTDOWN_GRACEFUL]: "ShutdownGuest",
};

/** Opens no socket: what it does is to fail during an outage, and to count as a provider of `providerType` would. */
export function createMockConnection(options: MockConnectionOptions): MockConnection {
  const { hypervisor, telemetry, providerType, site } = options;
  const instruments = telemetry.instruments(virtrigaud);
  const { sourceRate } = hypervisor.settings.failures;
  let connected = false;

  function countConnection(): void {
    if (providerType === "vsphere") instruments.virtrigaud_vsphere_sessions_total.add(1, { datacenter: site });
    if (providerType === "libvirt") instruments.virtrigaud_libvirt_connections_total.add(1, { host: site });
  }

  function requireReachable(): void {
    if (hypervisor.outage) {
      connected = false;
      throw new ProviderError("UNAVAILABLE", "the hypervisor is not reachable");
    }
  }

  const inventory =
    providerType === "libvirt"
      ? instruments.virtrigaud_libvirt_domains_total.observe(
          (observe) => {
            requireReachable();
            if (sourceRate > 0 && hypervisor.random.next("source") < sourceRate) {
              throw new ProviderError("INTERNAL", "injected failure of the inventory", { reason: "HypervisorError" });
            }
            const counts = hypervisor.countByPowerState();
            observe(counts.On, { host: site, state: "running" });
            observe(counts.Off, { host: site, state: "shutoff" });
            observe(counts.Suspended, { host: site, state: "pmsuspended" });
            for (const state of ["paused", "crashed", "blocked", "shutdown", "nostate"] as const) {
              observe(0, { host: site, state });
            }
          },
          { source: "inventory" },
        )
      : undefined;

  return {
    use(method, op) {
      try {
        requireReachable();
        if (!connected) countConnection();
        connected = true;
      } finally {
        if (providerType === "vsphere") {
          const call = (op === undefined ? undefined : vspherePowerCalls[op]) ?? vsphereCalls[method];
          instruments.virtrigaud_vsphere_api_calls_total.add(1, { method: call, datacenter: site });
        }
      }
    },
    [Symbol.dispose]: () => inventory?.[Symbol.dispose](),
  };
}
