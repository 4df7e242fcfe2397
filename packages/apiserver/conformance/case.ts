/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access -- answers are read as the JSON they are */
import type { Body, Client, ServerUnderTest } from "./client.ts";
import assert from "node:assert/strict";
import { createClient } from "./client.ts";

/** What a case works with: a namespace of its own, and a kind of its own when it wants one. */
export interface CaseContext extends Client {
  readonly namespace: string;
  /** `/api/v1/namespaces/<own>`. */
  readonly core: string;
  /** What this server is expected to answer, in a case that `differs`. The two may not be the same. */
  readonly either: <T>(real: T, embedded: T) => T;
  readonly server: ServerUnderTest;
  /** Calls `attempt` until it passes; rejects with its last error after `seconds`, 15 by default. */
  readonly eventually: <T>(attempt: () => Promise<T>, seconds?: number) => Promise<T>;
  /** Defines the kind Widget in a group of the case's own; returns its paths once it is served. */
  readonly defineWidget: (change?: (definition: Body) => void) => Promise<WidgetApi>;
}

export interface WidgetApi {
  readonly group: string;
  readonly apiVersion: string;
  /** Collection in the case's namespace, or of the whole cluster. */
  readonly path: string;
  readonly definitionPath: string;
  readonly widget: (name: string, spec?: Body) => Body;
}

/** One statement about the API, true of a real kube-apiserver too. */
export interface ConformanceCase {
  readonly name: string;
  /** What a bare kube-apiserver lacks for it. */
  readonly needs?: "kube-controller-manager";
  /** Why the embedded API answers otherwise. The case then asserts both answers, which `real` and `embedded` of its context tell apart. */
  readonly differs?: string;
  /** Whether it makes the server forget the past, which others need that run at the same time. */
  readonly forgets?: true;
  run(context: CaseContext): Promise<void>;
}

let counter = 0;

/** Runs one case against a server; what it made is deleted afterwards. Rejects with an AssertionError. */
export async function runCase(one: ConformanceCase, server: ServerUnderTest): Promise<void> {
  using client = createClient(server);
  const id = `c${process.pid}-${Date.now().toString(36)}-${++counter}`;
  await client.expect(201, "POST", "/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: id },
  });
  const definitions: string[] = [];
  try {
    await one.run({
      ...client,
      namespace: id,
      core: `/api/v1/namespaces/${id}`,
      server,
      eventually,
      either(real, embedded) {
        assert.ok(one.differs !== undefined, `the case "${one.name}" names no difference`);
        assert.notDeepEqual(real, embedded, `the case "${one.name}" names a difference where there is none`);
        return server.flavor === "embedded" ? embedded : real;
      },
      async defineWidget(change) {
        const definition = widgetDefinition(`${id}.example.com`);
        change?.(definition);
        const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${definition.metadata.name}`;
        definitions.push(path);
        return establish(client, id, definition, path);
      },
    });
  } finally {
    for (const path of definitions) await client.call("DELETE", path);
    await client.call("DELETE", `/api/v1/namespaces/${id}`);
  }
}

async function eventually<T>(attempt: () => Promise<T>, seconds = 15): Promise<T> {
  for (const end = performance.now() + seconds * 1000; ;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function establish(client: Client, namespace: string, definition: Body, path: string): Promise<WidgetApi> {
  await client.expect(201, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition);
  const group: string = definition.spec.group;
  const apiVersion = `${group}/${definition.spec.versions[0].name}`;
  const inside = definition.spec.scope === "Cluster" ? "" : `/namespaces/${namespace}`;
  const collection = `/apis/${apiVersion}${inside}/${definition.spec.names.plural}`;
  for (let attempt = 0; ; attempt++) {
    const { status } = await client.call("GET", collection);
    if (status === 200) break;
    assert.ok(attempt < 400, `${definition.metadata.name} is not served after twenty seconds`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    group,
    apiVersion,
    path: collection,
    definitionPath: path,
    widget: (name, spec = { size: 1 }) => ({ apiVersion, kind: "Widget", metadata: { name }, spec }),
  };
}

export function widgetDefinition(group: string): Body {
  const condition = {
    type: "object",
    required: ["type"],
    properties: { type: { type: "string" }, status: { type: "string" } },
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural: "widgets", singular: "widget", kind: "Widget", listKind: "WidgetList", shortNames: ["wdg"] },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: {
            status: {},
            scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
          },
          selectableFields: [{ jsonPath: ".spec.color" }],
          additionalPrinterColumns: [
            { name: "Size", type: "integer", jsonPath: ".spec.size" },
            { name: "IPs", type: "string", jsonPath: ".status.ips[*]" },
            { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
          ],
          schema: {
            openAPIV3Schema: {
              type: "object",
              required: ["spec"],
              properties: {
                spec: {
                  type: "object",
                  required: ["size"],
                  properties: {
                    size: { type: "integer", minimum: 1, maximum: 10 },
                    color: { type: "string", enum: ["red", "blue"], default: "red" },
                    replicas: { type: "integer" },
                    ports: {
                      type: "array",
                      "x-kubernetes-list-type": "map",
                      "x-kubernetes-list-map-keys": ["name"],
                      items: {
                        type: "object",
                        required: ["name"],
                        properties: { name: { type: "string" }, port: { type: "integer" } },
                      },
                    },
                    free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
                  },
                },
                status: {
                  type: "object",
                  properties: {
                    phase: { type: "string" },
                    replicas: { type: "integer" },
                    ips: { type: "array", items: { type: "string" } },
                    conditions: { type: "array", items: condition },
                  },
                },
              },
            },
          },
        },
      ],
    },
  };
}

export function configMap(name: string, data: Record<string, string> = {}, metadata: Body = {}): Body {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, ...metadata }, data };
}
