import { rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock, type Clock } from "@almanac/core";
import type { ProviderType } from "@almanac/catalog";
import type { ServerTls } from "@almanac/grpc";
import { createTaskStore, startProviderServer, type ProviderServerOptions, type TaskInfo } from "@almanac/provider";
import type { Telemetry } from "@almanac/telemetry";
import type { Change } from "./change.ts";
import { createMockConnection } from "./connection.ts";
import { createMockHandlers } from "./handlers.ts";
import { createMockHypervisor, type MockHypervisor } from "./hypervisor.ts";
import { openJournal, type JournalEntry } from "./journal.ts";
import { createOperations, type Operations, type TaskInput } from "./operations.ts";
import type { MockOptions } from "./options.ts";

export interface MockProviderOptions
  extends MockOptions, Pick<ProviderServerOptions, "host" | "port" | "build" | "drainMs"> {
  /** Which hypervisor it stands for, in the label `provider_type`; vsphere and libvirt have that type's own families too. */
  readonly providerType: ProviderType;
  /** Name of the Provider object, in the label `provider`. */
  readonly providerName: string;
  readonly tls: ServerTls | "insecure";
  readonly telemetry: Telemetry;
  /**
   * Keeps VMs, owners, tasks, images and exports over restarts and kills, and a `journal.jsonl` of all that happened. An empty file
   * `outage` in it makes the hypervisor unreachable. Default: in memory. One process at a time.
   */
  readonly stateDir?: string;
  /** Label `datacenter` or `host` of the type's own families. Default: the provider's name. */
  readonly site?: string;
  readonly clock?: Clock;
}

/** A running mock provider. */
export interface MockProvider extends AsyncDisposable {
  readonly port: number;
  /** `host:port` of the gRPC server. */
  readonly address: string;
  readonly hypervisor: MockHypervisor;
  /** Tasks running now. */
  readonly runningTasks: number;
  /** Drains RPCs, stops tasks (kept ones go on after the next start) and closes the files. Idempotent. */
  shutdown(): Promise<void>;
}

/**
 * Starts a provider over a mock hypervisor; the caller owns the telemetry and shuts it down afterwards.
 *
 * @throws MockProviderError `invalid_options`; ProviderError when the address cannot be bound or the state directory is damaged.
 */
export async function startMockProvider(options: MockProviderOptions): Promise<MockProvider> {
  const { telemetry, providerType, providerName, stateDir, clock = systemClock } = options;
  const journal = openJournal(stateDir, { clock, logger: telemetry.logger });
  const hypervisor = createMockHypervisor({
    ...options,
    clock,
    isJournaled: (change) => journal.hasEffect(change),
    onEffect: (effect) => journal.write({ kind: "effect", ...effect }),
  });
  if (hypervisor.settings.forgetTasks && stateDir !== undefined) rmSync(join(stateDir, "tasks.jsonl"), { force: true });
  let operations: Operations | undefined;
  const operationsNow = (): Operations => (operations ??= createOperations(hypervisor, () => tasks, clock));
  const tasks = createTaskStore({
    telemetry,
    providerType,
    providerName,
    clock,
    ...(stateDir === undefined ? {} : { directory: stateDir }),
    onInterrupted: (task) => ({ resume: operationsNow().resume(task) }),
    onEnded: (task, error) => journal.write(taskEntry(task, error)),
  });
  const connection = createMockConnection({ hypervisor, telemetry, providerType, site: options.site ?? providerName });

  const closeAll = async (): Promise<void> => {
    connection[Symbol.dispose]();
    await tasks.close();
    hypervisor[Symbol.dispose]();
    journal[Symbol.dispose]();
  };
  try {
    const { host, port, build, drainMs } = options;
    const server = await startProviderServer({
      handlers: createMockHandlers({ hypervisor, connection, operations: operationsNow(), tasks, clock }),
      telemetry,
      providerType,
      providerName,
      tls: options.tls,
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
      ...(build === undefined ? {} : { build }),
      ...(drainMs === undefined ? {} : { drainMs }),
      onRpc: ({ method, code }) => journal.write({ kind: "rpc", method, code }),
    });
    let ended: Promise<void> | undefined;
    const shutdown = (): Promise<void> => (ended ??= server.shutdown().then(closeAll));
    return {
      port: server.port,
      address: server.address,
      hypervisor,
      get runningTasks() {
        return tasks.running.length;
      },
      shutdown,
      [Symbol.asyncDispose]: shutdown,
    };
  } catch (thrown) {
    await closeAll();
    throw thrown;
  }
}

function taskEntry(task: TaskInfo, error: string): JournalEntry {
  const { change } = task.input as TaskInput;
  return {
    kind: "task",
    method: task.operation,
    task: task.id,
    ...vmOf(change),
    result: error === "" ? "success" : error,
  };
}

function vmOf(change: Change): { vm?: string; owner?: string } {
  if (change.kind !== "put") return { vm: change.vm };
  if (change.record.kind !== "vm") return {};
  const { id, owner } = change.record;
  return { vm: id, ...(owner === undefined ? {} : { owner }) };
}
