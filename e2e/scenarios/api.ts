import { join } from "node:path";
import { createApiServer } from "@almanac/apiserver";
import type { ServerUnderTest } from "../../packages/apiserver/conformance/client.ts";
import type { CaseResult } from "../../packages/apiserver/conformance/suite.ts";
import { conformanceCases } from "../../packages/apiserver/conformance/cases.ts";
import { embedded } from "../../packages/apiserver/conformance/embedded.ts";
import { runSuite } from "../../packages/apiserver/conformance/suite.ts";
import { must } from "../lib/report.ts";
import type { Report } from "../lib/report.ts";
import type { Scenario } from "../main.ts";
import { startKubernetes } from "../peers/start-kubernetes.ts";

/** Cases at a time. A real server answers in milliseconds what its controllers take seconds for. */
const concurrency = 8;
const leastCases = 300;

/** The suite of cases that says what the API is, on the embedded server and on the real one. */
export const api: Scenario = {
  title: "One suite of cases on the embedded API and on kube-apiserver",
  async run(report, folder) {
    {
      await using server = await createApiServer();
      await runOn(report, "the embedded API", embedded(server));
    }
    await using real = await startKubernetes({ folder: join(folder, "kubernetes") });
    await runOn(report, "kube-apiserver with etcd and kube-controller-manager", { flavor: "kube-apiserver", ...real });
    await report.check("where they differ is named with a reason", () => {
      const differing = conformanceCases.filter(({ differs }) => differs !== undefined);
      const lines = differing.map(({ name, differs }) => `\n    ${name}: ${differs}`);
      return `${differing.length} of ${conformanceCases.length} cases${lines.join("")}`;
    });
  },
};

async function runOn(report: Report, what: string, server: ServerUnderTest): Promise<void> {
  await report.check(`every case holds on ${what}`, async () => {
    const results = await runSuite(conformanceCases, server, concurrency);
    const failed = results.filter(({ error }) => error !== undefined);
    must(results.length >= leastCases, `${results.length} cases ran, expected at least ${leastCases}`);
    must(failed.length === 0, `${failed.length} of ${results.length} failed:\n${failed.map(describe).join("\n")}`);
    return `${results.length} cases`;
  });
}

function describe({ name, error }: CaseResult): string {
  return `- ${name}: ${(error?.message ?? "").slice(0, 1_000)}`;
}
