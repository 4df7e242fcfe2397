import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createKubeClient, loadKubeConfig } from "@almanac/kube";
import { group, version } from "@almanac/manager";
import type { VirtualMachine } from "@almanac/manager";
import { processTree, proportionalSetSizeMib } from "./process-tree.ts";
import type { BenchResult } from "./result.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const rounds = 3;
const settleMs = 15_000;
const exampleMachines = ["web-0", "web-1", "database-0", "batch-0"];

/** `npm start` as a newcomer types it: seconds to the first scrape with the example machines Ready, and memory of the whole tree. */
export async function benchStart(): Promise<BenchResult> {
  const seconds: number[] = [];
  const mebibytes: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const folder = mkdtempSync(join(tmpdir(), "almanac-bench-start-"));
    const started = performance.now();
    const npm = spawn("npm", ["start", "--", "--dir", join(folder, "run"), "--plain"], {
      cwd: root,
      stdio: "ignore",
      detached: false,
    });
    const exited = new Promise((resolve) => npm.once("close", resolve));
    try {
      await untilReady(join(folder, "run", "up.json"));
      seconds.push((performance.now() - started) / 1000);
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      mebibytes.push(proportionalSetSizeMib(processTree(npm.pid ?? 0)));
    } finally {
      // npm waits for what it started and hands no signal on, so the last of the chain gets it, as it would from a terminal.
      for (const pid of processTree(npm.pid ?? 0).reverse()) interrupt(pid);
      await exited;
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return {
    name: "start",
    title: "`npm start` on an installed clone",
    rows: [
      { what: "first scrape with the example machines Ready, s", rounds: seconds, must: { atMost: 10 } },
      {
        what: `whole process tree after ${settleMs / 1000} s, MiB PSS`,
        rounds: mebibytes,
        must: { atMost: 600 },
      },
    ],
  };
}

async function untilReady(upJson: string): Promise<void> {
  const deadline = performance.now() + 120_000;
  const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100));
  while (!existsSync(upJson)) {
    if (performance.now() > deadline) throw new Error("npm start did not come up within 120 s");
    await wait();
  }
  const info = JSON.parse(readFileSync(upJson, "utf8")) as { kubeconfig: string; targets: { metrics: string }[] };
  using kube = createKubeClient(await loadKubeConfig({ kubeconfig: info.kubeconfig }));
  const machines = kube.resource<VirtualMachine>({
    group,
    version,
    plural: "virtualmachines",
    kind: "VirtualMachine",
    namespaced: true,
  });
  for (;;) {
    const { items } = await machines.list({ namespace: "default" });
    const ready = items.filter(
      ({ metadata, status }) =>
        exampleMachines.includes(metadata.name) &&
        status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
    );
    if (ready.length === exampleMachines.length) break;
    if (performance.now() > deadline) throw new Error(`only ${ready.length} example machines are Ready after 120 s`);
    await wait();
  }
  const page = await (await fetch(info.targets[0]?.metrics ?? "")).text();
  if (!/virtrigaud_vm_operations_total\{.*operation="Create".*outcome="success".*\} [1-9]/.test(page)) {
    throw new Error("machines are Ready but no successful Create was counted");
  }
}

function interrupt(pid: number): void {
  try {
    process.kill(pid, "SIGINT");
  } catch {
    // It has ended already.
  }
}
