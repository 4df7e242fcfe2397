import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { createApiServer } from "@almanac/apiserver";
import { errorReasons, stack, virtrigaud } from "@almanac/catalog";
import { bearerToken, createKubeClient } from "@almanac/kube";
import { createTestPki, writeTestCertificate } from "@almanac/testkit";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseAllDocuments } from "yaml";

const page = readFileSync("docs/guides/run-the-manager.md", "utf8");
const main = ["-C", "source", "packages/cli/src/main.ts"];

/** The blocks of one language. */
function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^ *\`\`\`${language}\n([\\s\\S]*?)^ *\`\`\`$`, "gm"))].map(
    ([, text = ""]) => text,
  );
}

function yaml<T>(file: string): T[] {
  return parseAllDocuments(readFileSync(`examples/run-the-manager/${file}`, "utf8")).map(
    (document) => document.toJS() as T,
  );
}

/** A section without its heading. */
function section(heading: string): string {
  return page.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
}

interface Container {
  readonly args: readonly string[];
  readonly livenessProbe: { readonly httpGet: { readonly path: string } };
  readonly readinessProbe: { readonly httpGet: { readonly path: string } };
}

interface Deployment {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly template: {
      readonly spec: { readonly serviceAccountName: string; readonly containers: readonly [Container] };
    };
  };
}

const container = (): Container => {
  const [deployment] = yaml<Deployment>("manager.yaml");
  const found = deployment?.spec.template.spec.containers[0];
  if (found === undefined) throw new Error("manager.yaml has no container");
  return found;
};

/** What docs/guides/run-the-manager.md says. */
describe("the guide of the manager", () => {
  it.each(["manager.yaml", "alerts.yaml"])("has the whole of %s", (file) => {
    expect(blocks("yaml")).toContain(readFileSync(`examples/run-the-manager/${file}`, "utf8"));
  });

  it("names every flag with its variable and default, as --help does", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [...main, "manager", "--help"]);
    const options = [...stdout.matchAll(/^ {2}(--\S+(?: <[^>]+>)?) {2,}(.*)$/gm)];
    expect(options.length).toBeGreaterThan(15);
    const rows = [...section("Flags").matchAll(/^\| (`--.*)\|$/gm)].map(([, row = ""]) => row.split(" | "));
    expect(rows.map(([flag]) => flag?.trim())).toEqual(options.map(([, flag]) => `\`${flag}\``));
    for (const [index, [, , text = ""]] of options.entries()) {
      const [, variable, byDefault] = rows[index] ?? [];
      const known = {
        variable: /env: (\w+)\)/.exec(text)?.[1] ?? "",
        byDefault: /default: "?(.*?)"?(?:, env: \w+)?\)/.exec(text)?.[1]?.replace("[]", "") ?? "",
      };
      const plain = (cell: string | undefined): string | undefined => cell?.trim().replaceAll("`", "");
      expect({ variable: plain(variable), byDefault: plain(byDefault) }).toEqual(known);
    }
  });

  it("has a Deployment whose flags run a manager that is alive, ready, and leaves its Lease to the next", async () => {
    const folder = mkdtempSync(join(tmpdir(), "run-the-manager-"));
    await using api = await createApiServer();
    using kube = createKubeClient({ server: api.url, auth: bearerToken(api.token) });
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    for (const file of globSync("charts/almanac/crds/*.yaml")) {
      const [definition] = parseAllDocuments(readFileSync(file, "utf8")).map((document) => document.toJS() as object);
      const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
      await kube.request({ method: "POST", path, body: definition });
    }
    await writeTestCertificate(folder, await (await createTestPki()).issue());
    const kubeconfig = join(folder, "kubeconfig");
    writeFileSync(kubeconfig, JSON.stringify(kubeconfigOf(api.url, api.token)));
    const { args, livenessProbe, readinessProbe } = container();
    const manager = spawn(
      process.execPath,
      [
        ...main,
        ...args.map((arg) => arg.replace("/etc/almanac/tls", folder)),
        "--metrics-bind-address=127.0.0.1:0",
        `--kubeconfig=${kubeconfig}`,
      ],
      { stdio: ["ignore", "pipe", "inherit"], env: { PATH: process.env["PATH"] } },
    );
    onTestFinished(() => void manager.kill("SIGKILL"));
    const ended = once(manager, "exit");
    const url = await metricsUrl(manager.stdout);
    const health = async (path: string) => {
      const answer = await fetch(url + path);
      return { status: answer.status, checks: await answer.text() };
    };
    const ready = await health(readinessProbe.httpGet.path);
    expect(ready.status, ready.checks).toBe(200);
    expect(ready.checks).toContain('"informer virtualMachines"');
    const alive = await health(livenessProbe.httpGet.path);
    expect(alive.status, alive.checks).toBe(200);
    expect(alive.checks).toContain('"controller virtualmachine"');
    const lease = () =>
      api.store.get("leases.coordination.k8s.io", "default", "virtrigaud-manager") as
        { readonly spec: { readonly holderIdentity?: string } } | undefined;
    await expect.poll(() => lease()?.spec.holderIdentity, { timeout: 10_000 }).toBeTruthy();
    manager.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    expect(lease()?.spec.holderIdentity ?? "").toBe("");
  });

  it("runs as the account that has the permissions, beside the Leases it may write", () => {
    const rbac = readFileSync("charts/almanac/rbac.yaml", "utf8");
    const [deployment] = yaml<Deployment>("manager.yaml");
    const { serviceAccountName } = deployment?.spec.template.spec ?? {};
    const accounts = parseAllDocuments(rbac)
      .map((document) => document.toJS() as { readonly kind: string; readonly metadata: Deployment["metadata"] })
      .filter(({ kind }) => kind === "ServiceAccount")
      .map(({ metadata }) => metadata);
    expect(accounts).toEqual([{ name: serviceAccountName, namespace: deployment?.metadata.namespace }]);
    expect(container().args).toContain(`--leader-election-namespace=${accounts[0]?.namespace}`);
  });

  it("speaks of files that are there, and of the program that is packed", () => {
    const files = blocks("sh").flatMap((block) => [...block.matchAll(/(?:-f )((?:charts|examples)\/\S+)/g)]);
    expect(files.length).toBeGreaterThan(2);
    for (const [, file = ""] of files) expect(existsSync(file), file).toBe(true);
    const { name, bin } = JSON.parse(readFileSync("packages/cli/package.json", "utf8")) as {
      readonly name: string;
      readonly bin: { readonly almanac: string };
    };
    expect(blocks("dockerfile").join()).toContain(`"node_modules/${join(name, bin.almanac)}"`);
  });

  it("watches families, labels and values that there are", () => {
    const families = { ...virtrigaud.families, ...stack.families };
    const named = [...section("What to watch").matchAll(/^\| `(\w+)`/gm)].map(([, family = ""]) => family);
    expect(named.length).toBeGreaterThan(10);
    const { groups } = yaml<{
      readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
    }>("alerts.yaml")[0] ?? { groups: [] };
    const expressions = groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(5);
    const asked = expressions.flatMap((expr) => expr.match(/\b(?:virtrigaud|workqueue|leader|almanac)_\w+/g) ?? []);
    for (const family of [...named, ...asked]) expect(Object.keys(families), family).toContain(family);
    for (const expr of expressions) {
      for (const [, family = "", label = "", value = ""] of expr.matchAll(/(\w+)\{(\w+)="(\w+)"\}/g)) {
        const domain: unknown = families[family as keyof typeof families].labels[label as never];
        expect(domain, `${family}{${label}}`).toMatchObject({ values: expect.arrayContaining([value]) as string[] });
      }
    }
  });

  it("explains every reason that a condition, an Event or an error may have", () => {
    const sources = globSync("packages/manager/src/**/*.ts", { exclude: ["**/*.test.ts", "**/*.helper.ts"] });
    const written = sources.flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/(?:\breason(?::| =) |(?:NotYet|waitFor|blocked)\()(.*)/g)].flatMap(
        ([, rest = ""]) => [...rest.matchAll(/(?<!=== )"([A-Z][A-Za-z]+)"/g)].map(([, reason = ""]) => reason),
      ),
    );
    const explained = new Set(
      [...section("What a reason means").matchAll(/`([A-Z]\w+)`/g)].map(([, reason]) => reason),
    );
    const reasons = new Set([...written, ...errorReasons.values]);
    expect(reasons.size).toBeGreaterThan(50);
    expect([...reasons].filter((reason) => !explained.has(reason))).toEqual([]);
  });
});

function kubeconfigOf(server: string, token: string): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    clusters: [{ name: "test", cluster: { server } }],
    users: [{ name: "test", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
  };
}

/** Of the line that says that the manager runs. Rejects with all lines when it ends before. */
async function metricsUrl(stream: NodeJS.ReadableStream): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: stream })) {
    lines.push(line);
    if (!line.startsWith("{")) continue;
    const { msg, metrics } = JSON.parse(line) as { readonly msg?: string; readonly metrics?: string };
    if (msg === "manager is running" && metrics !== undefined) {
      stream.resume();
      return metrics;
    }
  }
  throw new Error(`the manager ended:\n${lines.join("\n")}`);
}
