import type { Scenario } from "../main.ts";
import { childrenOf, environmentOf } from "../lib/child-processes.ts";
import { readJournal } from "../lib/journal.ts";
import type { JournalEntry } from "../lib/journal.ts";
import { connect, machine } from "../lib/machines.ts";
import type { Machine } from "../lib/machines.ts";
import { scrape, total } from "../lib/page.ts";
import type { Sample } from "../lib/page.ts";
import { eventually, must } from "../lib/report.ts";
import type { Report } from "../lib/report.ts";
import { spawnUp, untilUp } from "../lib/up.ts";
import type { RunningUp, UpJson } from "../lib/up.ts";

const providers = ["vsphere-lab", "libvirt-lab"] as const;
const settleTimeoutMs = 120_000;
const created = 50;

/** Accounts must balance: what the mock's journal says happened is what the families count. */
export const kills: Scenario = {
  title: "accounts: the families against the mock's journal, without and with SIGKILL",
  async run(report, folder) {
    await using up = spawnUp(folder, ["--no-workload"]);
    const info = await untilUp(up);
    await settledChecks(report, info);
    await killChecks(report, up, info);
  },
};

async function settledChecks(report: Report, info: UpJson): Promise<void> {
  const { kube, machines } = await connect(info.kubeconfig);
  using _ = kube;
  await report.check("20 machines live a life: create, off, on, another class, delete", async () => {
    const names = Array.from({ length: 20 }, (_, number) => `life-${number}`);
    await Promise.all(names.map((name, number) => machines.create(machine(name, providers[number % 2] ?? ""))));
    const patchAll = (spec: object): Promise<unknown> =>
      Promise.all(names.map((name) => machines.patch({ namespace: "default", name }, { spec }, { type: "merge" })));
    await settled(() => machines.list(), names, hasAddress);
    await patchAll({ powerState: "Off" });
    await settled(
      () => machines.list(),
      names,
      (item) => item.status?.powerState === "Off" && item.status.phase === "Stopped",
    );
    await patchAll({ classRef: { name: "medium" } });
    await settled(
      () => machines.list(),
      names,
      (item) => item.status?.currentResources?.cpu === 2,
    );
    await patchAll({ powerState: "On" });
    await settled(
      () => machines.list(),
      names,
      (item) => item.status?.powerState === "On" && hasAddress(item),
    );
    await Promise.all(names.slice(0, 10).map((name) => machines.delete({ namespace: "default", name })));
    await eventually(async () => {
      const left = (await machines.list()).items.filter(({ metadata }) => names.includes(metadata.name));
      must(left.length === 10, `${left.length} left, expected 10`);
    }, settleTimeoutMs);
  });
  await report.check("every RPC in the journal is counted by the provider, and no other", () =>
    eventually(async () => {
      for (const provider of info.providers) {
        const before = readJournal(provider.stateDir);
        const page = await scrape(metricsOf(info, provider.name));
        const after = readJournal(provider.stateDir);
        for (const [key, least] of countRpcs(before)) {
          const [method = "", code = ""] = key.split(" ");
          const counted = total(page, "virtrigaud_provider_rpc_requests_total", { method, code });
          const most = countRpcs(after).get(key) ?? 0;
          must(
            counted >= least && counted <= most,
            `${provider.name} ${key}: counted ${counted}, journal ${least} to ${most}`,
          );
        }
        const all = total(page, "virtrigaud_provider_rpc_requests_total");
        must(
          all <= after.filter(({ kind }) => kind === "rpc").length,
          `${provider.name}: ${all} counted, more than in the journal`,
        );
        const latencies = total(page, "virtrigaud_provider_rpc_latency_seconds_count");
        must(latencies === all, `${provider.name}: ${latencies} latencies, ${all} requests`);
      }
    }, 20_000),
  );
  const operations: readonly [string, string][] = [
    ["Create", "CreateVM"],
    ["Power", "PowerVM"],
    ["Reconfigure", "ReconfigureVM"],
    ["Delete", "DeleteVM"],
  ];
  for (const [operation, method] of operations) {
    await report.check(
      `virtrigaud_vm_operations_total of ${operation} equals the journal's ended tasks and refused calls`,
      () =>
        eventually(async () => {
          const manager = await scrape(metricsOf(info, "virtrigaud-manager"));
          const evidence: string[] = [];
          for (const { name, stateDir } of info.providers) {
            const journal = readJournal(stateDir);
            const expected = outcomesOf(journal, method);
            const provider = name.split("/")[1] ?? "";
            for (const [outcome, count] of Object.entries(expected)) {
              const counted = total(manager, "virtrigaud_vm_operations_total", { operation, provider, outcome });
              must(counted === count, `${provider} ${operation} ${outcome}: counted ${counted}, journal ${count}`);
              const durations = total(manager, "virtrigaud_vm_operations_duration_seconds_count", {
                operation,
                provider,
                outcome,
              });
              must(
                durations === count,
                `${provider} ${operation} ${outcome}: ${durations} durations, journal ${count}`,
              );
            }
            evidence.push(
              `${provider} ${Object.entries(expected)
                .map(([outcome, count]) => `${outcome} ${count}`)
                .join(", ")}`,
            );
          }
          return evidence.join("; ");
        }, 20_000),
    );
  }
  await report.check("virtrigaud_vm_reconfigure_total, the in-flight gauge and both ends of the RPCs agree", () =>
    eventually(async () => {
      const manager = await scrape(metricsOf(info, "virtrigaud-manager"));
      const reconfigured = total(manager, "virtrigaud_vm_reconfigure_total", { outcome: "success" });
      const operations = total(manager, "virtrigaud_vm_operations_total", {
        operation: "Reconfigure",
        outcome: "success",
      });
      must(reconfigured === operations, `${reconfigured} reconfigured, ${operations} operations`);
      for (const { name } of info.providers) {
        const inflight = total(await scrape(metricsOf(info, name)), "virtrigaud_provider_tasks_inflight");
        must(inflight === 0, `${name}: ${inflight} tasks in flight, though nothing is under way`);
      }
    }, 20_000),
  );
  await report.check("one IP discovery per power-on", () =>
    eventually(async () => {
      const others = (await machines.list()).items.filter(
        (item) => !item.metadata.name.startsWith("life-") && hasAddress(item),
      );
      const manager = await scrape(metricsOf(info, "virtrigaud-manager"));
      const discovered = total(manager, "virtrigaud_ip_discovery_duration_seconds_count");
      // 20 machines were switched on twice; the examples that are on, once.
      const expected = 2 * 20 + others.length;
      must(discovered === expected && others.length > 0, `${discovered} discoveries, expected ${expected}`);
      return `${discovered} discoveries`;
    }, 20_000),
  );
}

async function killChecks(report: Report, up: RunningUp, info: UpJson): Promise<void> {
  const { kube, machines } = await connect(info.kubeconfig);
  using _ = kube;
  const names = Array.from({ length: created }, (_, number) => `kill-${number}`);
  let before: Sample[] = [];
  await report.check(
    `SIGKILL of the manager and of a provider during ${created} creates: all run in the end`,
    async () => {
      const [managerPid] = childrenOf(up.pid, /main\.ts manager /);
      const providerPid = childrenOf(up.pid, /main\.ts provider mock/).find(
        (pid) => environmentOf(pid, "PROVIDER_NAME") === "vsphere-lab",
      );
      must(managerPid !== undefined && providerPid !== undefined, "processes not found");
      const earlier = creations(info).length;
      await Promise.all(names.map((name, number) => machines.create(machine(name, providers[number % 2] ?? ""))));
      // In the middle: some tasks are under way, some have ended, some creates have not been sent.
      await eventually(
        () => {
          const effects = creations(info).length - earlier;
          must(effects >= created / 5, `${effects} created so far`);
        },
        30_000,
        20,
      );
      before = await scrape(metricsOf(info, "virtrigaud-manager"));
      process.kill(managerPid, "SIGKILL");
      process.kill(providerPid, "SIGKILL");
      await settled(
        () => machines.list(),
        names,
        (item) => item.status?.phase === "Running",
      );
      const restarted = childrenOf(up.pid, /main\.ts manager /);
      must(restarted.length === 1 && restarted[0] !== managerPid, "the manager was not started again");
    },
  );
  await report.check("no machine was lost and none doubled", async () => {
    const items = (await machines.list()).items.filter(({ metadata }) => names.includes(metadata.name));
    const owners = new Map(items.map(({ metadata }) => [metadata.uid, metadata.name]));
    const perOwner = Map.groupBy(creations(info), ({ owner }) => owner);
    for (const [uid, name] of owners) {
      const count = perOwner.get(uid)?.length ?? 0;
      must(count === 1, `${name} was created ${count} times`);
    }
    const ids = new Set(items.map(({ status }) => status?.id));
    must(ids.size === created, `${ids.size} hypervisor ids for ${created} machines`);
    return `${owners.size} machines, ${owners.size} creations`;
  });
  await report.check("what was counted equals the journal, minus at most what was in flight at the kill", async () => {
    await eventually(async () => {
      const after = await scrape(metricsOf(info, "virtrigaud-manager"));
      const labels = { operation: "Create", outcome: "success" };
      const counted =
        total(before, "virtrigaud_vm_operations_total", labels) +
        total(after, "virtrigaud_vm_operations_total", labels);
      const happened = info.providers
        .flatMap(({ stateDir }) => readJournal(stateDir))
        .filter(({ kind, method, result }) => kind === "task" && method === "CreateVM" && result === "success").length;
      // At most one attempt per worker was between its result and its count.
      must(counted <= happened && counted >= happened - 16, `counted ${counted}, journal ${happened}`);
    }, 20_000);
  });
}

/** A machine that is switched off or deleted before its address was seen has none to be discovered. */
function hasAddress(item: Machine): boolean {
  return item.status?.phase === "Running" && (item.status.ips?.length ?? 0) > 0;
}

async function settled(
  list: () => Promise<{ items: Machine[] }>,
  names: readonly string[],
  holds: (item: Machine) => boolean,
): Promise<void> {
  await eventually(async () => {
    const items = (await list()).items.filter(({ metadata }) => names.includes(metadata.name));
    const waiting = names.filter((name) => !items.some((item) => item.metadata.name === name && holds(item)));
    const example = items.find(({ metadata }) => metadata.name === waiting[0]);
    must(
      waiting.length === 0,
      `${waiting.length} not there yet, e.g. ${waiting[0]}: ${JSON.stringify(example?.status)}`,
    );
  }, settleTimeoutMs);
}

/** Machines that came to be on any hypervisor, oldest first. */
function creations(info: UpJson): JournalEntry[] {
  return info.providers
    .flatMap(({ stateDir }) => readJournal(stateDir))
    .filter(({ kind, method }) => kind === "effect" && method === "CreateVM");
}

function countRpcs(journal: readonly JournalEntry[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { kind, method, code } of journal) {
    if (kind === "rpc") counts.set(`${method} ${code}`, (counts.get(`${method} ${code}`) ?? 0) + 1);
  }
  return counts;
}

/** Attempts by outcome: a task's end decides; a call that was refused never had a task. */
function outcomesOf(
  journal: readonly JournalEntry[],
  method: string,
): { success: number; failure: number; error: number } {
  const tasks = journal.filter((entry) => entry.kind === "task" && entry.method === method);
  const refused = journal.filter((entry) => entry.kind === "rpc" && entry.method === method && entry.code !== "OK");
  return {
    success: tasks.filter(({ result }) => result === "success").length,
    failure: tasks.filter(({ result }) => result !== "success").length,
    error: refused.length,
  };
}

function metricsOf(info: UpJson, name: string): string {
  const target = info.targets.find((candidate) => candidate.name === name);
  must(target !== undefined, `no target ${name} in up.json`);
  return target.metrics;
}
