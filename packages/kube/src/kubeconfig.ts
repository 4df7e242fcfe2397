import { access, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import type { Credentials, KubeAuth, KubeConnection } from "./connection.ts";
import { KubeError } from "./error.ts";
import { fileAuth } from "./file-auth.ts";
import { pluginAuth } from "./plugin-auth.ts";

export interface LoadKubeConfigOptions {
  /** Path of one kubeconfig. Default: the files of KUBECONFIG, else ~/.kube/config, else the service account of the pod. */
  readonly kubeconfig?: string;
  /** Default: the file's current-context. */
  readonly context?: string;
  /** Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where a pod finds token, ca.crt and namespace. Default: `/var/run/secrets/kubernetes.io/serviceaccount`. */
  readonly serviceAccountDirectory?: string;
}

type Fields = Readonly<Record<string, unknown>>;

interface Entry {
  readonly fields: Fields;
  /** Of the file it stands in: what relative paths are relative to. */
  readonly directory: string;
}

interface Merged {
  readonly files: readonly string[];
  readonly clusters: Map<string, Entry>;
  readonly users: Map<string, Entry>;
  readonly contexts: Map<string, Entry>;
  currentContext: string | undefined;
}

/**
 * Finds the API server: an explicit kubeconfig, KUBECONFIG (several files, the first to define a name wins), ~/.kube/config, or the
 * pod's service account. Throws KubeError `invalid_options` that names file and field. Source: kubectl's configuration loading rules.
 */
export async function loadKubeConfig(options: LoadKubeConfigOptions = {}): Promise<KubeConnection> {
  const env = options.env ?? process.env;
  const files = await configFiles(options.kubeconfig, env);
  if (files.length > 0) return connectionOf(await merge(files), options.context);
  const connection = await inCluster(
    env,
    options.serviceAccountDirectory ?? "/var/run/secrets/kubernetes.io/serviceaccount",
  );
  if (connection !== undefined) return connection;
  throw invalid(
    "no kubeconfig found: pass one, set KUBECONFIG, create ~/.kube/config, or run in a pod with a service account",
  );
}

async function configFiles(explicit: string | undefined, env: Fields): Promise<string[]> {
  if (explicit !== undefined) return [resolve(explicit)];
  const listed =
    typeof env["KUBECONFIG"] === "string" ? env["KUBECONFIG"].split(delimiter).filter((path) => path !== "") : [];
  if (listed.length > 0) {
    const present: string[] = [];
    // kubectl passes over missing files of the list; all missing is a mistake that would otherwise end somewhere surprising.
    for (const path of listed) if (await exists(path)) present.push(resolve(path));
    if (present.length === 0) throw invalid(`KUBECONFIG names no existing file: ${listed.join(delimiter)}`);
    return present;
  }
  const home = typeof env["HOME"] === "string" && env["HOME"] !== "" ? env["HOME"] : homedir();
  const standard = join(home, ".kube", "config");
  return (await exists(standard)) ? [standard] : [];
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function merge(files: readonly string[]): Promise<Merged> {
  // Loaded here only: a pod never needs it.
  const { parse } = await import("yaml");
  const merged: Merged = {
    files,
    clusters: new Map(),
    users: new Map(),
    contexts: new Map(),
    currentContext: undefined,
  };
  for (const file of files) {
    let document: unknown;
    try {
      document = parse(await readFile(file, "utf8"));
    } catch (error) {
      // The parser quotes the offending line, which may hold a token.
      const reason = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
      throw invalid(`kubeconfig ${file} cannot be read as YAML (${reason})`);
    }
    if (!isFields(document)) throw invalid(`kubeconfig ${file} is not a mapping`);
    const directory = dirname(file);
    collect(merged.clusters, document["clusters"], "cluster", directory, file);
    collect(merged.users, document["users"], "user", directory, file);
    collect(merged.contexts, document["contexts"], "context", directory, file);
    const current = document["current-context"];
    if (merged.currentContext === undefined && typeof current === "string" && current !== "")
      merged.currentContext = current;
  }
  return merged;
}

function collect(target: Map<string, Entry>, list: unknown, field: string, directory: string, file: string): void {
  if (list === undefined || list === null) return;
  if (!Array.isArray(list)) throw invalid(`kubeconfig ${file}: ${field}s is not a list`);
  for (const item of list as unknown[]) {
    if (!isFields(item) || typeof item["name"] !== "string")
      throw invalid(`kubeconfig ${file}: an entry of ${field}s has no name`);
    const fields = item[field] ?? {};
    if (!isFields(fields)) throw invalid(`kubeconfig ${file}: ${field} "${item["name"]}" is not a mapping`);
    if (!target.has(item["name"])) target.set(item["name"], { fields, directory });
  }
}

async function connectionOf(merged: Merged, wanted: string | undefined): Promise<KubeConnection> {
  const where = merged.files.join(delimiter);
  const contextName = wanted ?? merged.currentContext;
  if (contextName === undefined) throw invalid(`kubeconfig ${where} has no current-context: set one or name a context`);
  const context = merged.contexts.get(contextName);
  if (context === undefined) {
    throw invalid(
      `kubeconfig ${where} has no context "${contextName}"; it has: ${[...merged.contexts.keys()].join(", ") || "none"}`,
    );
  }
  const clusterName = text(context.fields, "cluster") ?? "";
  const cluster = merged.clusters.get(clusterName);
  if (cluster === undefined)
    throw invalid(`kubeconfig ${where}: context "${contextName}" names the unknown cluster "${clusterName}"`);
  const server = text(cluster.fields, "server");
  if (server === undefined) throw invalid(`kubeconfig ${where}: cluster "${clusterName}" has no server`);
  if (text(cluster.fields, "proxy-url") !== undefined) {
    throw invalid(
      `kubeconfig ${where}: cluster "${clusterName}" sets proxy-url, which is not supported: remove it or reach the server directly`,
    );
  }
  const ca = await dataOrFile(cluster, "certificate-authority");
  const tlsServerName = text(cluster.fields, "tls-server-name");
  const namespace = text(context.fields, "namespace");
  const userName = text(context.fields, "user");
  const user = userName === undefined ? undefined : merged.users.get(userName);
  if (userName !== undefined && user === undefined) {
    throw invalid(`kubeconfig ${where}: context "${contextName}" names the unknown user "${userName}"`);
  }
  return {
    server,
    ...(namespace === undefined ? {} : { namespace }),
    ...(ca === undefined ? {} : { ca }),
    ...(tlsServerName === undefined ? {} : { tlsServerName }),
    ...(cluster.fields["insecure-skip-tls-verify"] === true ? { insecureSkipTlsVerify: true } : {}),
    ...(user === undefined || userName === undefined ? {} : { auth: authOf(user, userName, cluster) }),
  };
}

function authOf(user: Entry, userName: string, cluster: Entry): KubeAuth {
  for (const field of ["as", "as-uid", "as-groups", "as-user-extra"]) {
    // Ignoring it would act with more rights than the file grants.
    if (user.fields[field] !== undefined)
      throw invalid(`user "${userName}" sets "${field}": impersonation is not supported`);
  }
  if (user.fields["exec"] !== undefined || user.fields["auth-provider"] !== undefined) {
    return pluginAuth({ cluster: cluster.fields, user: user.fields, userName });
  }
  const inline = dataOrNothing(user, "client-certificate");
  const inlineKey = dataOrNothing(user, "client-key");
  const certFile = inline === undefined ? path(user, "client-certificate") : undefined;
  const keyFile = inlineKey === undefined ? path(user, "client-key") : undefined;
  const hasCert = inline !== undefined || certFile !== undefined;
  if (hasCert !== (inlineKey !== undefined || keyFile !== undefined)) {
    throw invalid(
      `user "${userName}" needs both client-certificate and client-key (or their -data), it has one of them`,
    );
  }
  const token = text(user.fields, "token");
  const username = text(user.fields, "username");
  const tokenFile = path(user, "tokenFile");
  const authorization =
    token !== undefined
      ? `Bearer ${token}`
      : username !== undefined
        ? `Basic ${Buffer.from(`${username}:${text(user.fields, "password") ?? ""}`).toString("base64")}`
        : undefined;
  const fixed: Credentials = {
    ...(authorization === undefined ? {} : { authorization }),
    ...(inline === undefined ? {} : { cert: inline }),
    ...(inlineKey === undefined ? {} : { key: inlineKey }),
  };
  return fileAuth({
    fixed,
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  });
}

async function inCluster(env: Fields, directory: string): Promise<KubeConnection | undefined> {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = env["KUBERNETES_SERVICE_PORT"];
  const tokenFile = join(directory, "token");
  if (typeof host !== "string" || typeof port !== "string" || !(await exists(tokenFile))) return undefined;
  const caFile = join(directory, "ca.crt");
  const namespaceFile = join(directory, "namespace");
  const namespace = (await exists(namespaceFile)) ? (await readFile(namespaceFile, "utf8")).trim() : "";
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    ...(namespace === "" ? {} : { namespace }),
    ...((await exists(caFile)) ? { ca: await readFile(caFile, "utf8") } : {}),
    auth: fileAuth({ tokenFile }),
  };
}

async function dataOrFile(entry: Entry, field: string): Promise<string | undefined> {
  const inline = dataOrNothing(entry, field);
  if (inline !== undefined) return inline;
  const file = path(entry, field);
  if (file === undefined) return undefined;
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new KubeError("invalid_options", `${field} ${file} cannot be read`, { cause: error });
  }
}

function dataOrNothing(entry: Entry, field: string): string | undefined {
  const encoded = text(entry.fields, `${field}-data`);
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString("utf8");
}

function path(entry: Entry, field: string): string | undefined {
  const value = text(entry.fields, field);
  return value === undefined ? undefined : resolve(entry.directory, value);
}

function text(fields: Fields, field: string): string | undefined {
  const value = fields[field];
  if (value === undefined || value === null || value === "") return undefined;
  // The value is left out: the field may be a password that someone wrote as a number.
  if (typeof value !== "string")
    throw invalid(`kubeconfig field "${field}" must be a string, it is a ${typeof value}: put it in quotes`);
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(message: string): KubeError {
  return new KubeError("invalid_options", message);
}
