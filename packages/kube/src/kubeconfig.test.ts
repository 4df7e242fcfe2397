import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createVirtualClock } from "@almanac/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileAuth } from "./file-auth.ts";
import { loadKubeConfig } from "./kubeconfig.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kubeconfig-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

function config(user: string, cluster = "server: https://one:6443"): string {
  return `
apiVersion: v1
kind: Config
current-context: main
contexts: [{ name: main, context: { cluster: c, user: u, namespace: lab } }, { name: other, context: { cluster: c } }]
clusters: [{ name: c, cluster: { ${cluster} } }]
users: [{ name: u, user: { ${user} } }]
`;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("loadKubeConfig", () => {
  it("reads server, namespace, authorities and token", async () => {
    const kubeconfig = await file(
      "config",
      config(
        "token: s3cret",
        `server: "https://one:6443", tls-server-name: api, certificate-authority-data: ${base64("CA")}`,
      ),
    );
    const connection = await loadKubeConfig({ kubeconfig });
    expect(connection).toMatchObject({ server: "https://one:6443", namespace: "lab", ca: "CA", tlsServerName: "api" });
    expect(await connection.auth?.credentials({ refresh: false })).toEqual({ authorization: "Bearer s3cret" });
    expect(JSON.stringify(connection)).not.toContain("s3cret");
  });

  it("takes the context it is told", async () => {
    const connection = await loadKubeConfig({ kubeconfig: await file("config", config("token: t")), context: "other" });
    expect(connection.auth).toBeUndefined();
    expect(connection.namespace).toBeUndefined();
  });

  it("resolves files beside the kubeconfig", async () => {
    await file("ca.pem", "CA");
    await file("me.pem", "CERT");
    await file("me.key", "KEY");
    const kubeconfig = await file(
      "config",
      config("client-certificate: me.pem, client-key: ./me.key", "server: https://x, certificate-authority: ca.pem"),
    );
    const connection = await loadKubeConfig({ kubeconfig });
    expect(connection.ca).toBe("CA");
    expect(await connection.auth?.credentials({ refresh: false })).toEqual({ cert: "CERT", key: "KEY" });
  });

  it("gives a user name and password as basic authentication", async () => {
    const connection = await loadKubeConfig({ kubeconfig: await file("config", config("username: me, password: pw")) });
    expect(await connection.auth?.credentials({ refresh: false })).toEqual({
      authorization: `Basic ${base64("me:pw")}`,
    });
  });

  it("merges the files of KUBECONFIG, the first to name something wins", async () => {
    const first = await file("one", "contexts: [{ name: main, context: { cluster: far } }]");
    const second = await file("two", `${config("token: t")}`.replace("name: c,", "name: far,"));
    const connection = await loadKubeConfig({ env: { KUBECONFIG: `${first}:${join(folder, "missing")}:${second}` } });
    expect(connection.server).toBe("https://one:6443");
    expect(connection.auth).toBeUndefined();
  });

  it("finds ~/.kube/config", async () => {
    await mkdir(join(folder, ".kube"));
    await file(".kube/config", config("token: t"));
    expect((await loadKubeConfig({ env: { HOME: folder } })).server).toBe("https://one:6443");
  });

  it("uses the service account of a pod", async () => {
    await file("token", "first\n");
    await file("ca.crt", "CA");
    await file("namespace", "system");
    const env = { HOME: join(folder, "nobody"), KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
    const connection = await loadKubeConfig({ env, serviceAccountDirectory: folder });
    expect(connection).toMatchObject({ server: "https://[fd00::1]:443", ca: "CA", namespace: "system" });
    expect(await connection.auth?.credentials({ refresh: false })).toEqual({ authorization: "Bearer first" });
    await file("token", "second");
    expect(await connection.auth?.credentials({ refresh: true })).toEqual({ authorization: "Bearer second" });
  });

  it("gets credentials from a command", async () => {
    const answer = JSON.stringify({
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "from-command" },
    });
    const user = `exec: { apiVersion: client.authentication.k8s.io/v1, command: echo, args: ['${answer}'], interactiveMode: Never }`;
    const connection = await loadKubeConfig({ kubeconfig: await file("config", config(user)) });
    expect(await connection.auth?.credentials({ refresh: false })).toEqual({ authorization: "Bearer from-command" });
    expect(await connection.auth?.credentials({ refresh: true })).toEqual({ authorization: "Bearer from-command" });
  });

  it("says unauthorized when the command fails", async () => {
    const user = "exec: { apiVersion: client.authentication.k8s.io/v1, command: 'false', interactiveMode: Never }";
    const connection = await loadKubeConfig({ kubeconfig: await file("config", config(user)) });
    await expect(connection.auth?.credentials({ refresh: false })).rejects.toMatchObject({ code: "unauthorized" });
  });

  it.each([
    ["no YAML", "a: [s3cret", /cannot be read as YAML/],
    ["no mapping", "- 1", /is not a mapping/],
    ["no current context", "contexts: []", /no current-context/],
    ["an unknown context", "current-context: x\ncontexts: [{ name: y, context: {} }]", /no context "x"; it has: y/],
    [
      "an unknown cluster",
      "current-context: x\ncontexts: [{ name: x, context: { cluster: c } }]",
      /unknown cluster "c"/,
    ],
    ["an unknown user", config("token: t").replace("name: u,", "name: v,"), /unknown user "u"/],
    ["no server", config("token: t", "x: y"), /cluster "c" has no server/],
    ["a proxy", config("token: t", "server: https://x, proxy-url: http://p"), /proxy-url, which is not supported/],
    ["impersonation", config("token: t, as: admin"), /"as": impersonation is not supported/],
    [
      "a certificate without key",
      config(`client-certificate-data: ${base64("CERT")}`),
      /both client-certificate and client-key/,
    ],
    ["a password that is a number", config("username: me, password: 31337"), /field "password" must be a string/],
    [
      "a missing authority",
      config("token: t", "server: https://x, certificate-authority: none.pem"),
      /certificate-authority .*none\.pem cannot be read/,
    ],
  ])("refuses %s", async (_name, text, message) => {
    const error: unknown = await loadKubeConfig({ kubeconfig: await file("config", text) }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: "invalid_options", message: expect.stringMatching(message) as string });
    expect(String(error)).not.toMatch(/s3cret|31337/);
  });

  it("says what to do when there is nothing", async () => {
    const env = { HOME: folder };
    await expect(loadKubeConfig({ env, serviceAccountDirectory: folder })).rejects.toThrow(/set KUBECONFIG/);
    await expect(loadKubeConfig({ env: { KUBECONFIG: join(folder, "x") } })).rejects.toThrow(
      /KUBECONFIG names no existing file/,
    );
  });
});

describe("fileAuth", () => {
  it("reads a token again when it is a minute old, and keeps the last while the file is away", async () => {
    const clock = createVirtualClock();
    const tokenFile = await file("token", "one");
    const auth = fileAuth({ tokenFile, clock });
    const token = async (refresh = false): Promise<string | undefined> =>
      (await auth.credentials({ refresh })).authorization;
    expect(await token()).toBe("Bearer one");
    await file("token", "two");
    expect(await token()).toBe("Bearer one");
    await clock.advance(60_000);
    expect(await token()).toBe("Bearer two");
    await rm(tokenFile);
    await clock.advance(60_000);
    expect(await token()).toBe("Bearer two");
    await expect(token(true)).rejects.toMatchObject({ code: "unauthorized" });
  });

  it("refuses an empty token", async () => {
    const auth = fileAuth({ tokenFile: await file("token", "\n") });
    await expect(auth.credentials({ refresh: false })).rejects.toThrow(/is empty/);
  });
});
