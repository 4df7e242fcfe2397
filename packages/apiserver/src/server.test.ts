/* eslint-disable @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { ApiServer, RequestRecord } from "./index.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createVirtualClock } from "@almanac/testkit";
import { parse } from "yaml";
import { widgetDefinition } from "../conformance/case.ts";
import { createClient } from "../conformance/client.ts";
import { embedded } from "../conformance/embedded.ts";
import { createApiServer } from "./index.ts";

const servers: ApiServer[] = [];
const folders: string[] = [];

async function start(options: Parameters<typeof createApiServer>[0] = {}) {
  const server = await createApiServer(options);
  servers.push(server);
  return { server, client: createClient(embedded(server)) };
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "almanac-apiserver-"));
  folders.push(path);
  return path;
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

const configMaps = "/api/v1/namespaces/default/configmaps";
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

function configMap(name: string, metadata: object = {}) {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, ...metadata } };
}

describe("createApiServer", () => {
  it.each([
    ["a host that is not loopback", { host: "0.0.0.0" }, "host=0.0.0.0"],
    ["a short token", { tokens: ["abc"] }, "tokens[0]"],
    ["no token", { tokens: [] }, "tokens[0]"],
    ["a history without room", { history: { events: 0 } }, "history.events=0"],
    ["a body limit that is no number", { bodyLimitBytes: Number.NaN }, "bodyLimitBytes=NaN"],
  ])("refuses %s, naming the option", async (_name, options, named) => {
    await expect(createApiServer(options)).rejects.toMatchObject({
      code: "invalid_options",
      message: expect.stringContaining(named) as string,
    });
  });

  it("says which port is taken", async () => {
    const { server } = await start();
    await expect(createApiServer({ port: server.port })).rejects.toMatchObject({
      code: "listen_failed",
      message: expect.stringContaining(String(server.port)) as string,
    });
  });

  it("gives a kubeconfig for its address and token", async () => {
    const { server } = await start();
    expect(parse(server.kubeconfig)).toMatchObject({
      "current-context": "almanac",
      clusters: [{ cluster: { server: server.url } }],
      users: [{ user: { token: server.token } }],
    });
  });

  it("takes every one of its tokens and no other", async () => {
    const { server } = await start({ tokens: ["first-token", "second-token"] });
    const statusWith = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`${server.url}${configMaps}`, { headers })).status;
    expect(await statusWith({ authorization: "Bearer first-token" })).toBe(200);
    expect(await statusWith({ authorization: "Bearer second-token" })).toBe(200);
    expect(await statusWith({ authorization: "Bearer first-toke" })).toBe(401);
    expect(await statusWith({ authorization: "Basic first-token" })).toBe(401);
    expect(await statusWith({})).toBe(401);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  it("records every request without its secrets", async () => {
    const records: RequestRecord[] = [];
    const { server, client } = await start({ onRequest: (record) => records.push(record) });
    await client.call("GET", `${configMaps}?labelSelector=a`);
    await client.call("GET", `${configMaps}/none`, undefined, { token: "not-the-token" });
    await expect.poll(() => records.length).toBe(2);
    expect(records[0]).toMatchObject({
      method: "GET",
      path: configMaps,
      verb: "list",
      resource: "configmaps",
      status: 200,
      userAgent: "conformance/1.0",
    });
    expect(records[1]).toMatchObject({ status: 401, verb: "" });
    expect(JSON.stringify(records)).not.toContain(server.token);
    expect(JSON.stringify(records)).not.toContain("not-the-token");
  });

  it("outlives a request callback that throws", async () => {
    const { client } = await start({
      onRequest: () => {
        throw new Error("no");
      },
    });
    await client.expect(200, "GET", configMaps);
    await client.expect(200, "GET", configMaps);
  });

  it("answers 413 to a body without a length as soon as it is too long", async () => {
    const { server } = await start({ bodyLimitBytes: 1000 });
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(server.port, "127.0.0.1");
      let text = "";
      socket.on("data", (chunk) => (text += chunk.toString()));
      socket.on("close", () => resolve(text));
      socket.on("error", reject);
      socket.write(
        `POST ${configMaps} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      socket.write(`7d0\r\n${" ".repeat(2000)}\r\n`);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('"reason":"RequestEntityTooLarge"');
  });

  it.each([["/%ff"], [`${configMaps}/%E0%A4%A`], ["//"], [`${configMaps}/a/b/c`], ["/apis//v1/things"]])(
    "answers the odd path %s with a Status or a list, never with a failure of its own",
    async (path) => {
      const { client } = await start();
      const { status } = await client.call("GET", path);
      expect(status).toBeLessThan(500);
    },
  );

  it("keeps its state in a folder: objects, definitions and resourceVersions", async () => {
    const stateDir = folder();
    const first = await start({ stateDir });
    await first.client.expect(201, "POST", definitions, widgetDefinition("example.com"));
    const path = "/apis/example.com/v1/namespaces/default/widgets";
    const widget = { apiVersion: "example.com/v1", kind: "Widget", metadata: { name: "w" }, spec: { size: 1 } };
    const made = await first.client.expect(201, "POST", path, widget);
    const { resourceVersion } = first.server.store;
    await first.server.close();

    const second = await start({ stateDir });
    expect(await second.client.expect(200, "GET", `${path}/w`)).toEqual(made);
    expect(second.server.store.resourceVersion).toBe(resourceVersion);
    await using watch = await second.client.watch(`${path}?watch=true&resourceVersion=${resourceVersion}`);
    const changed = await second.client.expect(
      200,
      "PATCH",
      `${path}/w`,
      { spec: { size: 2 } },
      { contentType: "application/merge-patch+json" },
    );
    expect(Number(changed.metadata.resourceVersion)).toBe(resourceVersion + 1);
    expect(await watch.next()).toMatchObject({ type: "MODIFIED", object: { spec: { size: 2 } } });
    await using late = await second.client.watch(`${path}?watch=true&resourceVersion=${resourceVersion - 1}`);
    expect(await late.next()).toMatchObject({ type: "ERROR", object: { code: 410 } });
  });

  it("goes on with deletions that an earlier process did not finish", async () => {
    const stateDir = folder();
    const first = await start({ stateDir });
    const owner = await first.client.expect(201, "POST", configMaps, configMap("owner"));
    const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: owner.metadata.uid }];
    await first.client.expect(201, "POST", configMaps, configMap("dependent", { ownerReferences }));
    await first.client.expect(200, "DELETE", `${configMaps}/owner`);
    // Closed before the collector's turn, or after it: the outcome must be the same.
    await first.server.close();
    const second = await start({ stateDir });
    await expect.poll(() => second.server.store.list("configmaps", "default")).toEqual([]);
  });

  it("forgets Events after an hour without news", async () => {
    const clock = createVirtualClock();
    const { server, client } = await start({ clock });
    const event = (name: string) => ({
      apiVersion: "v1",
      kind: "Event",
      metadata: { name },
      involvedObject: { kind: "ConfigMap", name: "x", namespace: "default" },
    });
    const path = "/api/v1/namespaces/default/events";
    await client.expect(201, "POST", path, event("old"));
    await clock.advance(30 * 60_000);
    await client.expect(201, "POST", path, event("young"));
    await clock.advance(31 * 60_000);
    expect(server.store.list("events").map(({ metadata }) => (metadata as { name: string }).name)).toEqual(["young"]);
  });

  it("gives a name that has become free to the definition that waited for it", async () => {
    const { client } = await start();
    const first = widgetDefinition("example.com");
    const second = widgetDefinition("example.com");
    second.metadata.name = "gadgets.example.com";
    second.spec.names = {
      ...second.spec.names,
      plural: "gadgets",
      singular: "gadget",
      kind: "Gadget",
      listKind: "GadgetList",
    };
    await client.expect(201, "POST", definitions, first);
    const refused = await client.expect(201, "POST", definitions, second);
    expect(refused.status.conditions).toMatchObject([
      { type: "NamesAccepted", status: "False", message: '"wdg" is already in use' },
      { type: "Established", status: "False" },
    ]);
    await client.expect(404, "GET", "/apis/example.com/v1/gadgets");
    await client.expect(200, "DELETE", `${definitions}/widgets.example.com`);
    await expect.poll(async () => (await client.call("GET", "/apis/example.com/v1/gadgets")).status).toBe(200);
  });

  it("ends the watches of a definition that goes", async () => {
    const { client } = await start();
    await client.expect(201, "POST", definitions, widgetDefinition("example.com"));
    await using watch = await client.watch("/apis/example.com/v1/widgets?watch=true");
    await client.expect(200, "DELETE", `${definitions}/widgets.example.com`);
    expect(await watch.next()).toBeUndefined();
  });

  it("serves all versions of a definition from one stored form", async () => {
    const { client } = await start();
    const definition = widgetDefinition("example.com");
    const [stored] = definition.spec.versions;
    definition.spec.versions = [stored, { ...stored, name: "v1beta1", storage: false, deprecated: true }];
    await client.expect(201, "POST", definitions, definition);
    const path = (version: string): string => `/apis/example.com/${version}/namespaces/default/widgets`;
    const widget = { apiVersion: "example.com/v1beta1", kind: "Widget", metadata: { name: "w" }, spec: { size: 1 } };
    const { status, body, headers } = await client.call("POST", path("v1beta1"), widget);
    expect(status).toBe(201);
    expect(body.apiVersion).toBe("example.com/v1beta1");
    expect(headers.warning).toBe('299 - "example.com/v1beta1 Widget is deprecated"');
    expect((await client.expect(200, "GET", `${path("v1")}/w`)).apiVersion).toBe("example.com/v1");
    await using watch = await client.watch(`${path("v1beta1")}?watch=true`);
    expect(await watch.next()).toMatchObject({ type: "ADDED", object: { apiVersion: "example.com/v1beta1" } });
  });
});

describe("discovery and OpenAPI", () => {
  it("say what a definition brings, at once, and no more when it has gone", async () => {
    const { client } = await start();
    const accept = { accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json" };
    const groupsNow = async (): Promise<string[]> =>
      (await client.expect(200, "GET", "/apis", undefined, accept)).items.map(
        (one: { metadata: { name: string } }) => one.metadata.name,
      );
    await client.expect(201, "POST", definitions, widgetDefinition("example.com"));
    expect(await groupsNow()).toContain("example.com");
    const index = await client.expect(200, "GET", "/openapi/v3");
    const document = await client.expect(200, "GET", index.paths["apis/example.com/v1"].serverRelativeURL);
    const schema = document.components.schemas["com.example.v1.Widget"];
    expect(schema["x-kubernetes-group-version-kind"]).toEqual([
      { group: "example.com", version: "v1", kind: "Widget" },
    ]);
    expect(schema.properties.spec.properties.size).toMatchObject({ type: "integer", minimum: 1 });
    const patch = document.paths["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"].patch;
    expect(patch.parameters.map((one: { name: string }) => one.name)).toContain("fieldValidation");
    await client.expect(200, "DELETE", `${definitions}/widgets.example.com`);
    await expect.poll(groupsNow).not.toContain("example.com");
  });

  it("have an empty v2 document in both of its forms, which clients fall back to", async () => {
    const { server, client } = await start();
    expect(await client.expect(200, "GET", "/openapi/v2")).toMatchObject({ swagger: "2.0", definitions: {} });
    const headers = {
      authorization: `Bearer ${server.token}`,
      accept: "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    };
    const response = await fetch(`${server.url}/openapi/v2`, { headers });
    expect(response.headers.get("content-type")).toBe("application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.toString("latin1")).toBe("\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.36.0");
  });

  it("let a document be kept under its hash, and change the hash with the document", async () => {
    const { client } = await start();
    const before = (await client.expect(200, "GET", "/openapi/v3")).paths["api/v1"].serverRelativeURL as string;
    const { headers } = await client.call("GET", before);
    expect(headers["cache-control"]).toContain("immutable");
    await client.expect(201, "POST", definitions, widgetDefinition("example.com"));
    const after = (await client.expect(200, "GET", "/openapi/v3")).paths;
    expect(after["api/v1"].serverRelativeURL).toBe(before);
    expect(after["apis/example.com/v1"].serverRelativeURL).toMatch(/\?hash=[0-9A-F]{128}$/);
  });
});
