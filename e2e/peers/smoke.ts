/**
 * Proves that the built peers work together: `node -C source e2e/peers/smoke.ts [--keep]`. Asks each for its version; starts Jaeger, the
 * Collector and Prometheus, sends a span and metrics over OTLP/HTTP and finds them at the far ends; starts etcd, kube-apiserver and
 * kube-controller-manager and sees each do its part. Exit code 0 or 1; ends everything it started.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { peerPath } from "./peer-path.ts";
import type { PeerProcess } from "./process.ts";
import { recipeOf, recipes } from "./recipes.ts";
import { createSample } from "./smoke-sample.ts";
import { startCollector } from "./start-collector.ts";
import { startJaeger } from "./start-jaeger.ts";
import { startKubernetes } from "./start-kubernetes.ts";
import { startPrometheus } from "./start-prometheus.ts";
import { checkVersion } from "./versions.ts";

const deadlineMs = 20_000;
const openMetrics = "application/openmetrics-text;version=1.0.0";

let failures = 0;
const stop = new AbortController();
const { signal } = stop;

/** Runs one check and prints it; what a check returns is printed as its evidence. */
async function check(title: string, body: () => Promise<string> | string): Promise<void> {
  const begin = performance.now();
  try {
    signal.throwIfAborted();
    const evidence = await body();
    console.log(
      `ok    ${title} (${Math.round(performance.now() - begin)} ms)${evidence === "" ? "" : `: ${evidence}`}`,
    );
  } catch (error) {
    failures += 1;
    console.log(`FAIL  ${title}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function must(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}

/** Calls `attempt` until it returns something, or throws its last reason at the deadline. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline || signal.aborted) throw error;
      await delay(100, undefined, { signal });
    }
  }
}

async function request(url: string, init: RequestInit = {}): Promise<{ text: string; type: string }> {
  const response = await fetch(url, { ...init, signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]) });
  const text = await response.text();
  must(response.ok, `${url} answered ${response.status}: ${text.slice(0, 300)}`);
  return { text, type: response.headers.get("content-type") ?? "" };
}

async function post(url: string, body: unknown): Promise<string> {
  const { text } = await request(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  must(!text.includes("rejected"), `partly refused: ${text}`);
  return "";
}

function mustHold(page: string, lines: readonly string[]): string {
  for (const line of lines) must(page.includes(line), `no ${JSON.stringify(line)} in\n${page}`);
  return lines.map((line) => line.trim()).join(" | ");
}

function run(program: string, args: readonly string[]): string {
  const done = spawnSync(program, args, { encoding: "utf8", timeout: 20_000 });
  const output = `${done.stdout}${done.stderr}`.trim();
  must(done.status === 0, `exit code ${done.status ?? "none"}: ${output}`);
  return output.split("\n").join(" | ");
}

async function scenario(folder: string, running: PeerProcess[]): Promise<void> {
  const sample = createSample();
  const started = async <P extends PeerProcess>(promise: Promise<P>): Promise<P> => {
    const peer = await promise;
    running.push(peer);
    return peer;
  };

  const begin = performance.now();
  const jaeger = await started(startJaeger({ folder, signal }));
  const collector = await started(startCollector({ folder, signal, tracesTo: jaeger.otlpGrpc }));
  const targets = [{ job: "collector", url: collector.metricsUrl, honorLabels: true }];
  const prometheus = await started(startPrometheus({ folder, signal, targets }));
  console.log(`ok    jaeger, collector and prometheus are ready (${Math.round(performance.now() - begin)} ms)`);

  await check("the collector takes a span over OTLP/HTTP", () =>
    post(`${collector.otlpHttp}/v1/traces`, sample.traces),
  );
  await check("the collector takes metrics over OTLP/HTTP", () =>
    post(`${collector.otlpHttp}/v1/metrics`, sample.metrics),
  );
  await check("jaeger holds the trace", () =>
    eventually(async () => {
      const { text } = await request(`${jaeger.query}/api/v3/traces/${sample.traceId}`);
      must(text.includes(sample.spanName) && text.includes(sample.traceId), text.slice(0, 300));
      return `${sample.traceId} ${sample.spanName}`;
    }),
  );
  await check("the text page carries the catalog names", async () => {
    const { text, type } = await request(collector.metricsUrl, { headers: { accept: "text/plain;version=0.0.4" } });
    must(type.startsWith("text/plain"), type);
    return mustHold(text, sample.textLines);
  });
  await check("the OpenMetrics page carries them and the exemplar", async () => {
    const { text, type } = await request(collector.metricsUrl, { headers: { accept: openMetrics } });
    must(type.startsWith("application/openmetrics-text"), type);
    must(text.endsWith("# EOF\n"), "no # EOF at the end");
    return mustHold(text, [...sample.openMetricsLines, `trace_id="${sample.traceId}"`]);
  });
  await check("promtool reads the page and objects to nothing", async () => {
    const { text } = await request(collector.metricsUrl);
    const done = spawnSync(peerPath("promtool"), ["check", "metrics"], {
      input: text,
      encoding: "utf8",
      timeout: 20_000,
    });
    must(done.status === 0, `exit code ${done.status ?? "none"}: ${done.stdout}${done.stderr}`);
    return "";
  });
  for (const [query, value] of Object.entries(sample.queries)) {
    await check(`prometheus answers ${query}`, () =>
      eventually(async () => {
        const { text } = await request(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(query)}`);
        must(text.includes(`"${value}"]`), text);
        return value;
      }),
    );
  }
  await check("prometheus leads from the bucket to the trace", () =>
    eventually(async () => {
      const now = Date.now() / 1_000;
      const query = new URLSearchParams({
        query: sample.exemplarQuery,
        start: String(now - 300),
        end: String(now + 300),
      });
      const { text } = await request(`${prometheus.url}/api/v1/query_exemplars?${query.toString()}`);
      must(text.includes(sample.traceId), text);
      return sample.traceId;
    }),
  );
}

/** Each of the three has a part that only it can do. */
async function kubernetesScenario(folder: string): Promise<void> {
  const begin = performance.now();
  await using kubernetes = await startKubernetes({ folder: join(folder, "kubernetes"), signal });
  console.log(`ok    etcd, kube-apiserver and controllers are ready (${Math.round(performance.now() - begin)} ms)`);
  const kubectl = (...args: string[]): string =>
    run(peerPath("kubectl"), [`--kubeconfig=${kubernetes.kubeconfig}`, ...args]);
  const at = async (path: string, init: RequestInit = {}): Promise<string> => {
    const headers = { authorization: `Bearer ${kubernetes.token}`, "content-type": "application/json" };
    return (await request(`${kubernetes.url}${path}`, { ...init, headers })).text;
  };
  const maps = "/api/v1/namespaces/smoke/configmaps";
  const create = async (path: string, body: object): Promise<{ metadata: { uid: string; resourceVersion: string } }> =>
    JSON.parse(await at(path, { method: "POST", body: JSON.stringify(body) })) as never;

  await check("the kube-apiserver is the one that was built", async () => {
    const { gitVersion } = JSON.parse(await at("/version")) as { gitVersion: string };
    must(gitVersion === `v${recipeOf("kube-apiserver").version}`, gitVersion);
    return gitVersion;
  });
  await check("it keeps what kubectl writes", async () => {
    kubectl("create", "namespace", "smoke");
    kubectl("--namespace=smoke", "create", "configmap", "kept", "--from-literal=a=1");
    return kubectl("--namespace=smoke", "get", "configmap", "kept", "--output=jsonpath={.data.a}");
  });
  await check("etcd has it, and is compacted when it is told to", async () => {
    await kubernetes.compact();
    return kubectl("--namespace=smoke", "get", "configmap", "kept", "--output=jsonpath={.data.a}");
  });
  await check("the controllers collect what nobody owns any more, and empty a namespace", async () => {
    const { metadata } = await create(maps, { metadata: { name: "owner" } });
    const owner = { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: metadata.uid };
    await create(maps, { metadata: { name: "owned", ownerReferences: [owner] } });
    await at(`${maps}/owner`, { method: "DELETE" });
    const gone = (path: string): Promise<void> =>
      eventually(async () => {
        const said = await at(path).then(
          () => "is there still",
          (error: unknown) => String(error),
        );
        must(said.includes(" answered 404"), `${path} ${said}`);
      });
    await gone(`${maps}/owned`);
    await at("/api/v1/namespaces/smoke", { method: "DELETE" });
    await gone("/api/v1/namespaces/smoke");
    return "";
  });
}

/** Ends what runs, in reverse order, and says so: each must be gone, by its own pid. */
async function endAll(running: readonly PeerProcess[]): Promise<void> {
  await check("everything ends", async () => {
    const ends = await Promise.all(running.toReversed().map(async (peer) => `${peer.pid} ${ended(await peer.stop())}`));
    return ends.join(", ");
  });
}

function ended(exit: { readonly code: number | null; readonly signal: string | null }): string {
  return exit.signal ?? `exit code ${exit.code ?? "unknown"}`;
}

const interrupt = (name: NodeJS.Signals): void => {
  stop.abort(new Error(name));
};
process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
const folder = mkdtempSync(join(tmpdir(), "almanac-peers-"));
const running: PeerProcess[] = [];
try {
  await check("every peer is there, in the version that is wanted", () => {
    const binaries = recipes.flatMap((recipe) => recipe.binaries);
    for (const binary of binaries) checkVersion(binary, peerPath(binary));
    return binaries.map((binary) => `${binary} ${recipeOf(binary).version}`).join(", ");
  });
  if (failures === 0) await scenario(folder, running);
  if (failures === 0) await kubernetesScenario(folder);
} catch (error) {
  failures += 1;
  console.log(`FAIL  ${error instanceof Error ? error.message : String(error)}`);
} finally {
  // After an abort the checks would refuse to run; ending must happen in any case.
  if (signal.aborted) await Promise.all(running.map((peer) => peer.stop()));
  else await endAll(running);
}
if (failures === 0 && !process.argv.includes("--keep")) rmSync(folder, { recursive: true, force: true });
else console.log(`logs and configurations: ${folder}`);
console.log(failures === 0 ? "all checks passed" : `${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
