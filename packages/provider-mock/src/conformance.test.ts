import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runConformance, type ConformanceReport } from "@almanac/provider";
import { createNoopTelemetry } from "@almanac/telemetry";
import { createTestPki, writeTestCertificate, type TestCertificateFiles } from "@almanac/testkit";
import { startMockProvider, type MockProvider, type MockProviderOptions } from "./mock-provider.ts";
import { features } from "./options.ts";

let folder: string;
let server: TestCertificateFiles;
let manager: TestCertificateFiles;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "mock-conformance-"));
  const pki = await createTestPki();
  const sans = ["virtrigaud-provider-lab-mock.lab.svc", "127.0.0.1"];
  server = await writeTestCertificate(join(folder, "server"), await pki.issue({ sans }));
  manager = await writeTestCertificate(join(folder, "manager"), await pki.issue({ sans: ["virtrigaud-manager"] }));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const variants: [string, Partial<MockProviderOptions> & { stateDir?: string }, string[]][] = [
  [
    "that finishes everything at once",
    {},
    ["an ended task stays readable", "what the capabilities do not offer is UNIMPLEMENTED"],
  ],
  [
    "with tasks, kept on disk",
    {
      delays: { taskMs: { min: 1, max: 20 }, rpcMs: { min: 0, max: 3 }, ipMs: { min: 5, max: 20 } },
      stateDir: "state",
    },
    ["what the capabilities do not offer is UNIMPLEMENTED"],
  ],
  [
    "without optional features",
    { without: features },
    [
      "an ended task stays readable",
      "a snapshot brings the VM back to what it was",
      "a VM reverted to a snapshot with memory runs",
      "a linked clone builds on the disk of its source",
      "preparing the same image again gives the same image",
      "an exported disk comes back with the same checksum",
      "a disk with another checksum than expected is refused",
    ],
  ],
];

describe.each(variants)("a mock provider %s", (_name, variant, expectedSkips) => {
  it.each(["native", "compatible"] as const)(
    "keeps the contract under its %s name, over mutual TLS",
    async (service) => {
      const { stateDir, ...options } = variant;
      await using provider = await startMockProvider({
        providerType: "mock",
        providerName: "lab",
        port: 0,
        tls: { ...server, allowedSans: ["virtrigaud-manager"] },
        telemetry: createNoopTelemetry(),
        ...options,
        ...(stateDir === undefined ? {} : { stateDir: join(folder, stateDir, service) }),
      });
      const report = await testProvider(provider, service);
      expect(report.results.filter(({ outcome }) => outcome === "failed")).toEqual([]);
      const skipped = report.results.filter(({ outcome }) => outcome === "skipped").map(({ name }) => name);
      expect(skipped.sort()).toEqual([...expectedSkips].sort());
      expect(report.passed).toBeGreaterThan(30);
      expect(provider.hypervisor.list().vms).toEqual([]);
      expect(provider.runningTasks).toBe(0);
    },
  );
});

describe("runConformance", () => {
  it("fails a provider whose hypervisor is dead", async () => {
    await using provider = await startMockProvider({
      providerType: "mock",
      providerName: "lab",
      port: 0,
      tls: { ...server },
      telemetry: createNoopTelemetry(),
      outage: true,
    });
    const report = await testProvider(provider, "native");
    expect(report).toMatchObject({ passed: 0, failed: 1 });
    expect(report.results[0]?.reason).toContain("not reachable");
  });
});

async function testProvider(provider: MockProvider, service: "native" | "compatible"): Promise<ConformanceReport> {
  return runConformance({
    address: provider.address,
    tls: manager,
    service,
    suspend: (id) => Promise.resolve(provider.hypervisor.suspend(id)),
  });
}
