import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeError, sleep } from "@almanac/core";
import type { Logger } from "@almanac/core";
import { createInformer, keyOf } from "@almanac/kube";
import type { Informer, KubeClient } from "@almanac/kube";
import { CliError } from "../error.ts";
import { startComponent } from "./component.ts";
import type { Component } from "./component.ts";
import { openLogFile } from "./log-file.ts";
import { choosePort } from "./ports.ts";
import { deploymentResource, secretResource } from "./resources.ts";
import type { Deployment, DeploymentContainer, Secret } from "./resources.ts";

/** A provider's process on this machine. */
export interface LocalProvider {
  /** `namespace/name` of the Provider object. */
  readonly provider: string;
  readonly namespace: string;
  readonly name: string;
  /** `127.0.0.1:port` of gRPC. */
  readonly grpc: string;
  /** URL of `/metrics`. */
  readonly metrics: string;
  /** Where the process keeps its state and journal. */
  readonly stateDir: string;
  readonly component: Component;
}

/** Acts on the Deployments of providers as a kubelet would, with a process instead of a container. */
export interface LocalRunner extends AsyncDisposable {
  /** Those that were started, whether ready or not. */
  readonly providers: readonly LocalProvider[];
  /** Calls back whenever a provider was started, stopped or moved. */
  onChange(callback: () => void): void;
}

interface RunnerOptions {
  readonly kube: KubeClient;
  /** Variables of every process; those of its container win. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder for the pods' volumes and logs. */
  readonly directory: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** `namespace/name=host:port` lines for the manager are kept in this file. */
  readonly endpointsFile: string;
}

/** Which command of ours stands in for an image. The registry and the tag do not matter. */
const programs: Readonly<Record<string, readonly string[]>> = {
  "almanac/provider-mock": ["provider", "mock"],
};
const preferredGrpcPort = 9443;
const preferredHealthPort = 8081;
const readinessPollMs = 200;
const retryMs = 2_000;

interface Pod {
  readonly fingerprint: string;
  readonly provider: LocalProvider;
  readonly stop: AbortController;
}

/** Follows Deployments labelled `app.kubernetes.io/component=provider` until `signal` aborts or it is disposed. */
export async function startLocalRunner(options: RunnerOptions): Promise<LocalRunner> {
  const { kube, directory, logger, signal, endpointsFile } = options;
  const deployments = kube.resource<Deployment>(deploymentResource);
  const pods = new Map<string, Pod>();
  const work = new Map<string, Promise<void>>();
  const listeners: (() => void)[] = [];
  const ended = new AbortController();
  const running = AbortSignal.any([signal, ended.signal]);

  const informer = createInformer(deployments, { labelSelector: "app.kubernetes.io/component=provider", logger });
  const secrets = createInformer(kube.resource<Secret>(secretResource), { logger });
  informer.onEvent(({ object }) => enqueue(object));
  // A Secret that comes late starts what waited for it; a changed one is mounted anew, as a kubelet does.
  secrets.onEvent(({ object }) => {
    for (const deployment of informer.list(object.metadata.namespace)) {
      if (secretNames(deployment).includes(object.metadata.name)) enqueue(deployment);
    }
  });
  secrets.start(running);
  await secrets.synced(running);
  informer.start(running);
  await informer.synced(running);

  function enqueue(deployment: Deployment): void {
    const key = keyOf(deployment.metadata);
    // One change after the other per Deployment; what is read is always the newest.
    const next = (work.get(key) ?? Promise.resolve())
      .then(() => sync(key, deployment))
      .catch((error: unknown) => {
        if (running.aborted) return;
        logger.warn("cannot act on a Deployment yet", { deployment: key, error: describeError(error) });
        void sleep(retryMs, { signal: running }).then(
          () => enqueue(deployment),
          () => undefined,
        );
      });
    work.set(key, next);
  }

  async function sync(key: string, seen: Deployment): Promise<void> {
    if (running.aborted) return;
    const deployment = informer.get(seen.metadata.namespace, seen.metadata.name);
    const pod = pods.get(key);
    if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return stopPod(key, pod);
    const container = deployment.spec.template.spec.containers[0];
    const program = container && programs[container.image.replace(/^[^/]+\.[^/]+\//, "").replace(/[:@].*$/, "")];
    if (container === undefined || program === undefined) {
      await stopPod(key, pod);
      return reportStatus(deployment, false, `no local program stands in for image ${container?.image ?? "(none)"}`);
    }
    const fingerprint = createHash("sha256").update(JSON.stringify(deployment.spec.template)).digest("hex");
    if (pod?.fingerprint === fingerprint) {
      mountVolumes(deployment, container, join(directory, deployment.metadata.name), secrets);
      return;
    }
    await stopPod(key, pod);
    await startPod(key, deployment, container, program, fingerprint);
  }

  async function startPod(
    key: string,
    deployment: Deployment,
    container: DeploymentContainer,
    program: readonly string[],
    fingerprint: string,
  ): Promise<void> {
    const folder = join(directory, deployment.metadata.name);
    const mounts = mountVolumes(deployment, container, folder, secrets);
    const [grpc, health] = [await choosePort(preferredGrpcPort), await choosePort(preferredHealthPort)];
    const local = (value: string): string => {
      const mount = mounts.find(({ mountPath }) => value === mountPath || value.startsWith(`${mountPath}/`));
      return mount ? mount.folder + value.slice(mount.mountPath.length) : value;
    };
    const env = Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, local(value ?? "")]));
    const name = env["PROVIDER_NAME"] ?? deployment.metadata.name;
    const namespace = deployment.metadata.namespace ?? "default";
    const log = openLogFile(join(folder, "log"));
    const stop = new AbortController();
    const component = startComponent({
      name: `provider ${namespace}/${name}`,
      args: [...program, ...(container.args ?? []).map(local)],
      env: {
        ...options.env,
        ...env,
        PROVIDER_HOST: "127.0.0.1",
        PROVIDER_PORT: String(grpc.port),
        PROVIDER_HEALTH_PORT: String(health.port),
      },
      log,
      onExit: (how) =>
        logger.warn("a provider ended and is started again", { provider: `${namespace}/${name}`, how, log: log.path }),
    });
    const base = `http://127.0.0.1:${health.port}`;
    const provider: LocalProvider = {
      provider: `${namespace}/${name}`,
      namespace,
      name,
      grpc: `127.0.0.1:${grpc.port}`,
      metrics: `${base}/metrics`,
      stateDir: env["STATE_DIR"] ?? folder,
      component,
    };
    pods.set(key, { fingerprint, provider, stop });
    changed();
    void followReadiness(key, `${base}/readyz`, AbortSignal.any([running, stop.signal]));
  }

  async function followReadiness(key: string, url: string, until: AbortSignal): Promise<void> {
    let reported: boolean | undefined;
    while (!until.aborted) {
      const ready = await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
        (response) => response.ok,
        () => false,
      );
      const [namespace, name] = key.split("/");
      const deployment = informer.get(namespace, name ?? "");
      if (ready !== reported && deployment !== undefined) {
        await reportStatus(
          deployment,
          ready,
          ready ? "the local process is ready" : "the local process is not ready yet",
        ).then(
          () => (reported = ready),
          (error: unknown) => logger.debug("cannot write a Deployment's status", { error: describeError(error) }),
        );
      }
      await new Promise((resolve) => setTimeout(resolve, reported ? readinessPollMs * 10 : readinessPollMs).unref());
    }
  }

  async function reportStatus(deployment: Deployment, ready: boolean, message: string): Promise<void> {
    const count = ready ? 1 : 0;
    const before = deployment.status?.conditions?.find((condition) => condition.type === "Available");
    const status = ready ? "True" : "False";
    if (before?.status === status && before.message === message) return;
    await deployments.patch(
      deployment.metadata,
      {
        status: {
          observedGeneration: deployment.metadata.generation,
          replicas: 1,
          updatedReplicas: 1,
          readyReplicas: count,
          availableReplicas: count,
          unavailableReplicas: 1 - count,
          conditions: [
            {
              type: "Available",
              status,
              reason: ready ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
              message,
              lastTransitionTime: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
            },
          ],
        },
      },
      { type: "merge", subresource: "status", signal: running },
    );
  }

  async function stopPod(key: string, pod: Pod | undefined): Promise<void> {
    if (pod === undefined) return;
    pods.delete(key);
    pod.stop.abort();
    changed();
    await pod.provider.component.stop();
  }

  function changed(): void {
    const endpoints = Object.fromEntries([...pods.values()].map(({ provider }) => [provider.provider, provider.grpc]));
    // Renamed into place, so that the manager never reads half a file.
    writeFileSync(`${endpointsFile}.new`, `${JSON.stringify(endpoints, undefined, 2)}\n`);
    renameSync(`${endpointsFile}.new`, endpointsFile);
    for (const listener of listeners) listener();
  }

  return {
    get providers() {
      return [...pods.values()].map((pod) => pod.provider);
    },
    onChange: (callback) => void listeners.push(callback),
    async [Symbol.asyncDispose]() {
      ended.abort(new Error("the local runner is closing"));
      await Promise.all([...pods.values()].map((pod) => pod.provider.component.stop()));
    },
  };
}

/** Makes each volume of the pod a folder of its own. The files of Secrets have mode 0600 and are replaced when they change. */
function mountVolumes(
  deployment: Deployment,
  container: DeploymentContainer,
  folder: string,
  secrets: Informer<Secret>,
): { mountPath: string; folder: string }[] {
  const mounts: { mountPath: string; folder: string }[] = [];
  for (const { name, mountPath } of container.volumeMounts ?? []) {
    const volume = deployment.spec.template.spec.volumes?.find((candidate) => candidate.name === name);
    const path = join(folder, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (volume?.secret !== undefined) {
      const { secretName } = volume.secret;
      const secret = secrets.get(deployment.metadata.namespace, secretName);
      if (secret === undefined) {
        throw new CliError("failed", `its volume ${name} waits for the Secret ${secretName}, which is not there`);
      }
      writeSecret(path, secret);
    }
    mounts.push({ mountPath, folder: path });
  }
  // The longest path first, so that a mount below another one wins.
  return mounts.sort((a, b) => b.mountPath.length - a.mountPath.length);
}

function writeSecret(folder: string, { data = {} }: Secret): void {
  for (const file of readdirSync(folder)) if (!(file in data)) rmSync(join(folder, file));
  for (const [file, value] of Object.entries(data)) {
    const path = join(folder, file);
    const content = Buffer.from(value, "base64");
    if (existsSync(path) && readFileSync(path).equals(content)) continue;
    // Renamed into place: whoever reads it meanwhile sees the old or the new file, never half of one.
    writeFileSync(`${path}.new`, content, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

function secretNames(deployment: Deployment): string[] {
  return (deployment.spec.template.spec.volumes ?? []).flatMap(({ secret }) => secret?.secretName ?? []);
}
