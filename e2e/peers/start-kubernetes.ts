import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { createTestPki } from "@almanac/testkit";
import { peerPath } from "./peer-path.ts";
import { loopback, withPorts } from "./ports.ts";
import { startProcess } from "./process.ts";
import type { PeerProcess, StartOptions } from "./process.ts";

export interface KubernetesOptions extends StartOptions {
  /** Of the API server; a free one by default. One that is to be killed needs a port that no outgoing connection takes meanwhile. */
  readonly port?: number;
}

/** A kube-apiserver on an etcd of its own, with the controllers that collect garbage and empty namespaces. */
export interface Kubernetes extends AsyncDisposable {
  /** HTTPS, on the loopback interface. */
  readonly url: string;
  /** PEM of what to trust. */
  readonly ca: string;
  /** Of a user who may do everything. */
  readonly token: string;
  /** Of the user `plain`, who may do nothing. */
  readonly strangerToken: string;
  /** File that holds address, trust and the token. */
  readonly kubeconfig: string;
  readonly apiserver: PeerProcess;
  /** Of etcd, which keeps everything: `http://host:port`. */
  readonly etcdUrl: string;
  /** Kills the API server and starts it again at its port; resolves when it is ready. */
  restartApiserver(): Promise<void>;
  /** Compacts etcd at its newest revision, and tells the API server. */
  compact(): Promise<void>;
}

const token = "almanac-e2e-admin";
const strangerToken = "almanac-e2e-plain";
/** Where API servers tell each other up to where etcd is compacted. */
const compactRevisionKey = "compact_rev_key";
const alreadyCompacted = "etcdserver: mvcc: required revision has been compacted";

/**
 * Starts etcd, kube-apiserver and kube-controller-manager and waits until they are ready. Their data lies in `folder`. The process
 * trusts their certificate from then on. Throws `PeerError`; nothing is left running then.
 */
export async function startKubernetes(options: KubernetesOptions): Promise<Kubernetes> {
  const { folder } = options;
  mkdirSync(folder, { recursive: true });
  const started: PeerProcess[] = [];
  let restarting: Promise<unknown> = Promise.resolve();
  const stop = async (): Promise<void> => {
    await restarting.catch(() => undefined);
    // What depends on others first.
    for (const peer of started.toReversed()) await peer.stop();
  };
  try {
    const etcd = await startEtcd(options);
    started.push(etcd.peer);
    const files = await writeFiles(folder);
    const { peer, url, port } = await startApiserver(options, etcd.url, files);
    let apiserver = peer;
    started.push(apiserver);
    const kubeconfig = join(folder, "kubeconfig");
    writeFileSync(kubeconfig, kubeconfigOf(url, files.caFile));
    started.push(await startControllers(options, kubeconfig, files));
    return {
      url,
      ca: files.ca,
      token,
      strangerToken,
      kubeconfig,
      get apiserver() {
        return apiserver;
      },
      etcdUrl: etcd.url,
      async restartApiserver() {
        await apiserver.stop(0);
        const again = startApiserver({ ...options, port }, etcd.url, files);
        restarting = again;
        const replaced = started.indexOf(apiserver);
        ({ peer: apiserver } = await again);
        started[replaced] = apiserver;
      },
      compact: () => compact(etcd.url),
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startEtcd(options: StartOptions): Promise<{ peer: PeerProcess; url: string }> {
  return withPorts(["client", "peer"], {}, async ({ client, peer: peerPort }) => {
    const url = `http://${loopback}:${client}`;
    const peerUrl = `http://${loopback}:${peerPort}`;
    const peer = await startProcess("etcd", peerPath("etcd"), {
      ...options,
      args: [
        `--data-dir=${join(options.folder, "etcd-data")}`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=default=${peerUrl}`,
        "--unsafe-no-fsync",
      ],
      healthUrl: `${url}/health`,
    });
    return { peer, url };
  });
}

interface Files {
  readonly ca: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly tokenFile: string;
  readonly accountKeyFile: string;
}

async function writeFiles(folder: string): Promise<Files> {
  const { ca, cert, key } = await (await createTestPki()).issue();
  // The health checks of processes trust what everybody here trusts.
  setDefaultCACertificates([...getCACertificates("default"), ca]);
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const write = (name: string, text: string | Buffer): string => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  return {
    ca,
    caFile: write("ca.crt", ca),
    certFile: write("server.crt", cert),
    keyFile: write("server.key", key),
    tokenFile: write("tokens.csv", `${token},admin,1,system:masters\n${strangerToken},plain,2,\n`),
    accountKeyFile: write("accounts.key", privateKey.export({ type: "pkcs1", format: "pem" })),
  };
}

function startApiserver(
  options: KubernetesOptions,
  etcdUrl: string,
  files: Files,
): Promise<{ peer: PeerProcess; url: string; port: number }> {
  const { port } = options;
  return withPorts(["secure"], port === undefined ? {} : { secure: port }, async ({ secure }) => {
    const url = `https://${loopback}:${secure}`;
    const peer = await startProcess("kube-apiserver", peerPath("kube-apiserver"), {
      readyMs: 60_000,
      ...options,
      args: [
        `--etcd-servers=${etcdUrl}`,
        `--secure-port=${secure}`,
        `--bind-address=${loopback}`,
        `--cert-dir=${join(options.folder, "certs")}`,
        `--tls-cert-file=${files.certFile}`,
        `--tls-private-key-file=${files.keyFile}`,
        `--service-account-key-file=${files.accountKeyFile}`,
        `--service-account-signing-key-file=${files.accountKeyFile}`,
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/24",
        `--token-auth-file=${files.tokenFile}`,
        "--authorization-mode=RBAC",
      ],
      healthUrl: `${url}/readyz`,
    });
    return { peer, url, port: secure };
  });
}

function startControllers(options: StartOptions, kubeconfig: string, files: Files): Promise<PeerProcess> {
  return withPorts(["secure"], {}, ({ secure }) =>
    startProcess("kube-controller-manager", peerPath("kube-controller-manager"), {
      ...options,
      args: [
        `--kubeconfig=${kubeconfig}`,
        "--controllers=namespace-controller,garbage-collector-controller",
        "--leader-elect=false",
        `--secure-port=${secure}`,
        `--bind-address=${loopback}`,
        `--tls-cert-file=${files.certFile}`,
        `--tls-private-key-file=${files.keyFile}`,
      ],
      healthUrl: `https://${loopback}:${secure}/healthz`,
    }),
  );
}

function kubeconfigOf(server: string, caFile: string): string {
  // JSON is YAML.
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "e2e",
    clusters: [{ name: "e2e", cluster: { server, "certificate-authority": caFile } }],
    users: [{ name: "e2e", user: { token } }],
    contexts: [{ name: "e2e", context: { cluster: "e2e", user: "e2e" } }],
  });
}

async function compact(etcdUrl: string): Promise<void> {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const post = async (path: string, body: object): Promise<unknown> => {
    const response = await fetch(`${etcdUrl}/v3/kv/${path}`, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    // Somebody else, such as the API server itself every five minutes, was quicker and went as far or further.
    if (path === "compaction" && text.includes(alreadyCompacted)) return undefined;
    if (!response.ok) throw new Error(`etcd refuses ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  };
  const { header } = (await post("range", { key: base64("\0") })) as { header: { revision: string } };
  await post("put", { key: base64(compactRevisionKey), value: base64(header.revision) });
  await post("compaction", { revision: header.revision, physical: true });
}
