/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { Body } from "./client.ts";
import type { ConformanceCase } from "./case.ts";
import assert from "node:assert/strict";

const merge = { contentType: "application/merge-patch+json" };

const make = (kind: string, more: Body, name = "a", apiVersion = "v1"): Body => ({
  apiVersion,
  kind,
  metadata: { name },
  ...more,
});
const service = (spec: Body): Body => make("Service", { spec });
const template = (labels: Body = { a: "b" }, containers: Body = [{ name: "c", image: "i" }]): Body => ({
  metadata: { labels },
  spec: { containers },
});
const deployment = (spec: Body): Body => make("Deployment", { spec }, "a", "apps/v1");
const selector = { matchLabels: { a: "b" } };
const lease = (spec: Body, name = "a"): Body => make("Lease", { spec }, name, "coordination.k8s.io/v1");

const dnsLabel =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const outOfRange = "must be between 1 and 65535, inclusive";
const configKey =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/** A refused object of each plural, and its complaints as `field: message`. */
const refusals: readonly [what: string, plural: string, object: Body, complaints: readonly string[]][] = [
  [
    "a ConfigMap with a key with a blank",
    "configmaps",
    make("ConfigMap", { data: { "a b": "" } }),
    [`data[a b]: Invalid value: "a b": ${configKey}`],
  ],
  [
    "a ConfigMap with the key ..",
    "configmaps",
    make("ConfigMap", { data: { "..": "" } }),
    [`data[..]: Invalid value: "..": must not be '..'`],
  ],
  [
    "a ConfigMap with a key in both maps",
    "configmaps",
    make("ConfigMap", { data: { a: "x" }, binaryData: { a: "eA==" } }),
    ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
  ],
  [
    "a ConfigMap of more than a mebibyte",
    "configmaps",
    make("ConfigMap", { data: { a: "x".repeat(1_048_577) } }),
    ["[]: Too long: may not be more than 1048576 bytes"],
  ],
  [
    "a TLS Secret without its keys",
    "secrets",
    make("Secret", { type: "kubernetes.io/tls" }),
    ["data[tls.crt]: Required value", "data[tls.key]: Required value"],
  ],
  [
    "a Docker Secret without its key",
    "secrets",
    make("Secret", { type: "kubernetes.io/dockerconfigjson" }),
    ["data[.dockerconfigjson]: Required value"],
  ],
  [
    "a basic-auth Secret with neither key",
    "secrets",
    make("Secret", { type: "kubernetes.io/basic-auth" }),
    ["data[username]: Required value", "data[password]: Required value"],
  ],
  [
    "a Secret of a service account without its name",
    "secrets",
    make("Secret", { type: "kubernetes.io/service-account-token" }),
    ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
  ],
  ["a Service without ports", "services", service({}), ["spec.ports: Required value"]],
  [
    "a Service with port 0",
    "services",
    service({ ports: [{ port: 0 }] }),
    [
      `spec.ports[0].port: Invalid value: 0: ${outOfRange}`,
      `spec.ports[0].targetPort: Invalid value: 0: ${outOfRange}`,
    ],
  ],
  [
    "a Service with two ports without names",
    "services",
    service({ ports: [{ port: 80 }, { port: 81 }] }),
    ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
  ],
  [
    "a Service with a name of a port twice",
    "services",
    service({
      ports: [
        { name: "x", port: 80 },
        { name: "x", port: 81 },
      ],
    }),
    ['spec.ports[1].name: Duplicate value: "x"'],
  ],
  [
    "a Service with a port twice",
    "services",
    service({
      ports: [
        { name: "x", port: 80 },
        { name: "y", port: 80 },
      ],
    }),
    [
      'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
    ],
  ],
  [
    "a Service with a protocol that does not exist",
    "services",
    service({ ports: [{ port: 80, protocol: "X" }] }),
    ['spec.ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"'],
  ],
  [
    "a Service with a bad name of a port",
    "services",
    service({ ports: [{ port: 80, name: "A" }] }),
    [`spec.ports[0].name: Invalid value: "A": ${dnsLabel}`],
  ],
  [
    "a Service of a type that does not exist",
    "services",
    service({ type: "Bogus", ports: [{ port: 80 }] }),
    [
      'spec.type: Unsupported value: "Bogus": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
  ],
  [
    "an ExternalName Service without name",
    "services",
    service({ type: "ExternalName" }),
    ["spec.externalName: Required value"],
  ],
  [
    "a Service with an address that is none",
    "services",
    service({ ports: [{ port: 80 }], clusterIP: "x" }),
    ['spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  [
    "a Deployment with an empty selector",
    "deployments",
    deployment({ selector: {}, template: template() }),
    ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
  ],
  [
    "a Deployment with a negative number of replicas",
    "deployments",
    deployment({ replicas: -1, selector, template: template() }),
    ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
  ],
  [
    "a Deployment without containers",
    "deployments",
    deployment({ selector, template: template({ a: "b" }, []) }),
    ["spec.template.spec.containers: Required value"],
  ],
  [
    "a Deployment with containers without image and with one name twice",
    "deployments",
    deployment({ selector, template: template({ a: "b" }, [{ name: "c" }, { name: "c", image: "i" }]) }),
    [
      "spec.template.spec.containers[0].image: Required value",
      'spec.template.spec.containers[1].name: Duplicate value: "c"',
    ],
  ],
  [
    "a Deployment with a strategy that does not exist",
    "deployments",
    deployment({ strategy: { type: "Bogus" }, selector, template: template() }),
    [
      'spec.strategy: Unsupported value: {"Type":"Bogus","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"',
    ],
  ],
  [
    "a Deployment that recreates and rolls",
    "deployments",
    deployment({ strategy: { type: "Recreate", rollingUpdate: { maxSurge: 1 } }, selector, template: template() }),
    ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
  ],
  [
    "a Deployment with a selector that cannot be",
    "deployments",
    deployment({ selector: { matchExpressions: [{ key: "a", operator: "Bogus" }] }, template: template() }),
    [
      'spec.selector.matchExpressions[0].operator: Invalid value: "Bogus": not a valid selector operator',
      'spec.selector: Invalid value: {"matchExpressions":[{"key":"a","operator":"Bogus"}]}: invalid label selector',
    ],
  ],
  [
    "a Lease of no duration",
    "leases",
    lease({ leaseDurationSeconds: 0 }),
    ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
  ],
  [
    "a Lease with negative transitions",
    "leases",
    lease({ leaseTransitions: -1 }),
    ["spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0"],
  ],
];

const groups: Readonly<Record<string, string>> = {
  deployments: "/apis/apps/v1",
  leases: "/apis/coordination.k8s.io/v1",
};

/** Built-in kinds, as operators use them. */
export const builtinCases: readonly ConformanceCase[] = [
  ...refusals.map(([what, plural, object, complaints]): ConformanceCase => ({
    name: `${what} answers 422`,
    async run({ expect, namespace }) {
      const path = `${groups[plural] ?? "/api/v1"}/namespaces/${namespace}/${plural}`;
      const status = await expect(422, "POST", path, object);
      assert.deepEqual(
        status.details.causes.map(({ field, message }: Body) => `${field}: ${message}`),
        complaints,
      );
      assert.equal(status.details.kind, object.kind);
    },
  })),
  {
    name: "empty maps of a ConfigMap are not kept, and null in them is the empty text",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/configmaps`, make("ConfigMap", { data: {}, binaryData: {} }));
      assert.deepEqual([made.data, made.binaryData], [undefined, undefined]);
      const other = await expect(201, "POST", `${core}/configmaps`, make("ConfigMap", { data: { a: null } }, "b"));
      assert.deepEqual(other.data, { a: "" });
    },
  },
  {
    name: "a Secret's stringData wins over its data, and its type stays",
    async run({ expect, core }) {
      const secret = make("Secret", { data: { a: "eA==", c: "eg==" }, stringData: { a: "y", b: "z" } });
      assert.deepEqual((await expect(201, "POST", `${core}/secrets`, secret)).data, {
        a: "eQ==",
        b: "eg==",
        c: "eg==",
      });
      const changed = await expect(200, "PATCH", `${core}/secrets/a`, { stringData: { a: "new" } }, merge);
      assert.equal(changed.data.a, "bmV3");
      const status = await expect(422, "PATCH", `${core}/secrets/a`, { type: "x/y" }, merge);
      assert.equal(status.message, 'Secret "a" is invalid: type: Invalid value: "x/y": field is immutable');
    },
  },
  {
    name: "an immutable Secret keeps its data and stays immutable, and takes labels",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/secrets`, make("Secret", { immutable: true, stringData: { a: "x" } }));
      const refused = async (patch: Body): Promise<string> =>
        (await expect(422, "PATCH", `${core}/secrets/a`, patch, merge)).message;
      assert.equal(
        await refused({ stringData: { a: "y" } }),
        'Secret "a" is invalid: data: Forbidden: field is immutable when `immutable` is set',
      );
      assert.equal(
        await refused({ immutable: false }),
        'Secret "a" is invalid: immutable: Forbidden: field is immutable when `immutable` is set',
      );
      assert.equal(
        await refused({ immutable: null }),
        'Secret "a" is invalid: immutable: Forbidden: field is immutable when `immutable` is set',
      );
      await expect(200, "PATCH", `${core}/secrets/a`, { metadata: { labels: { l: "1" } } }, merge);
    },
  },
  {
    name: "values of a Secret must be base64",
    async run({ expect, core }) {
      const status = await expect(400, "POST", `${core}/secrets`, make("Secret", { data: { a: "!" } }));
      assert.match(
        status.message,
        /^Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0$/,
      );
    },
  },
  {
    name: "a Service keeps its address, and gives it back when it becomes a name",
    async run({ expect, core }) {
      const made = await expect(201, "POST", `${core}/services`, service({ ports: [{ port: 80, targetPort: 0 }] }));
      assert.equal(made.spec.ports[0].targetPort, 80);
      assert.deepEqual(made.spec.clusterIPs, [made.spec.clusterIP]);
      assert.deepEqual([made.spec.ipFamilies, made.spec.ipFamilyPolicy], [["IPv4"], "SingleStack"]);
      const path = `${core}/services/a`;
      const status = await expect(422, "PATCH", path, { spec: { clusterIP: "10.0.0.253" } }, merge);
      assert.equal(
        status.message,
        'Service "a" is invalid: spec.clusterIPs[0]: Invalid value: ["10.0.0.253"]: may not change once set',
      );
      assert.equal(
        (await expect(200, "PATCH", path, { spec: { clusterIP: "" } }, merge)).spec.clusterIP,
        made.spec.clusterIP,
      );
      const named = await expect(200, "PATCH", path, { spec: { type: "ExternalName", externalName: "a.b" } }, merge);
      assert.deepEqual([named.spec.clusterIP, named.spec.clusterIPs], [undefined, undefined]);
    },
  },
  {
    name: "a headless Service has no address, and names for ports",
    async run({ expect, core }) {
      const spec = { clusterIP: "None", ports: [{ port: 80, targetPort: "http" }], sessionAffinity: "ClientIP" };
      const made = await expect(201, "POST", `${core}/services`, service(spec));
      assert.deepEqual(made.spec.clusterIPs, ["None"]);
      assert.equal(made.spec.ports[0].targetPort, "http");
      assert.deepEqual(made.spec.sessionAffinityConfig, { clientIP: { timeoutSeconds: 10800 } });
    },
  },
  {
    name: "a Service that is no load balancer has no addresses of one",
    async run({ expect, core }) {
      await expect(201, "POST", `${core}/services`, service({ ports: [{ port: 80 }] }));
      const status = { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } };
      const refused = await expect(422, "PATCH", `${core}/services/a/status`, { status }, merge);
      assert.match(
        refused.message,
        /status\.loadBalancer\.ingress: Forbidden: may only be used when `spec\.type` is 'LoadBalancer'$/,
      );
    },
  },
  {
    name: "a Deployment gets its defaults, counts its generation, and keeps its selector",
    async run({ expect, namespace }) {
      const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
      const made = await expect(201, "POST", path, deployment({ selector, template: template() }));
      const { replicas, revisionHistoryLimit, progressDeadlineSeconds, strategy } = made.spec;
      assert.deepEqual([replicas, revisionHistoryLimit, progressDeadlineSeconds], [1, 10, 600]);
      assert.deepEqual(strategy, { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } });
      const [container] = made.spec.template.spec.containers;
      assert.deepEqual([container.imagePullPolicy, container.terminationMessagePolicy], ["Always", "File"]);
      assert.equal(made.metadata.generation, 1);
      const changed = await expect(200, "PATCH", `${path}/a`, { spec: { replicas: 3 } }, merge);
      assert.equal(changed.metadata.generation, 2);
      const other = { spec: { selector: { matchLabels: { x: "y" } }, template: { metadata: { labels: { x: "y" } } } } };
      const status = await expect(422, "PATCH", `${path}/a`, other, merge);
      assert.match(status.message, /spec\.selector: Invalid value: .*: field is immutable$/);
    },
  },
  {
    name: "a Deployment has a scale and a status of its own",
    async run({ expect, namespace }) {
      const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
      await expect(201, "POST", path, deployment({ selector, template: template() }));
      const scale = await expect(200, "PATCH", `${path}/a/scale`, { spec: { replicas: 5 } }, merge);
      assert.deepEqual(scale.spec, { replicas: 5 });
      assert.equal(scale.status.selector, "a=b");
      const patch = { status: { replicas: 5, observedGeneration: 1 }, spec: { replicas: 9 } };
      const changed = await expect(200, "PATCH", `${path}/a/status`, patch, merge);
      assert.deepEqual([changed.spec.replicas, changed.status.replicas, changed.metadata.generation], [5, 5, 2]);
      const status = await expect(422, "PATCH", `${path}/a/scale`, { spec: { replicas: -5 } }, merge);
      assert.match(status.message, /spec\.replicas: Invalid value: -5: must be greater than or equal to 0$/);
    },
  },
  {
    name: "a Lease has times with microseconds, and no others",
    async run({ expect, namespace }) {
      const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
      const renewTime = "2020-01-01T00:00:00.123456Z";
      const made = await expect(201, "POST", path, lease({ holderIdentity: "x", renewTime }));
      assert.equal(made.spec.renewTime, renewTime);
      const status = await expect(400, "POST", path, lease({ renewTime: "2020-01-01T00:00:00Z" }, "b"));
      assert.equal(
        status.message,
        'Lease in version "v1" cannot be handled as a Lease: parsing time "2020-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"',
      );
    },
  },
  {
    name: "a Lease is taken over at its resourceVersion only",
    async run({ expect, namespace }) {
      const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
      const made = await expect(201, "POST", path, lease({ holderIdentity: "one" }));
      const take = (holderIdentity: string): Body => ({ ...made, spec: { holderIdentity } });
      await expect(200, "PUT", `${path}/a`, take("two"));
      const status = await expect(409, "PUT", `${path}/a`, take("three"));
      assert.equal(status.reason, "Conflict");
      assert.equal((await expect(200, "GET", `${path}/a`)).spec.holderIdentity, "two");
      const blind = await expect(422, "PUT", `${path}/a`, lease({ holderIdentity: "four" }));
      assert.match(blind.message, /metadata\.resourceVersion: Invalid value: .*must be specified for an update$/);
    },
  },
  {
    name: "a Lease that an update makes has no spec to need, and no uid to have",
    async run({ expect, namespace }) {
      const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
      const bare = {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: "a", resourceVersion: "5" },
      };
      assert.deepEqual((await expect(201, "PUT", `${path}/a`, bare)).spec, {});
      const status = await expect(409, "PUT", `${path}/b`, { ...bare, metadata: { name: "b", uid: "u" } });
      assert.match(status.message, /Precondition failed: UID in precondition: u, UID in object meta: $/);
    },
  },
  {
    name: "an Event is about an object of its own namespace",
    async run({ expect, core, namespace }) {
      const event = (involvedObject: Body): Body => make("Event", { involvedObject });
      const status = await expect(422, "POST", `${core}/events`, event({ kind: "X", name: "y", namespace: "other" }));
      assert.equal(
        status.message,
        'Event "a" is invalid: involvedObject.namespace: Invalid value: "other": does not match event.namespace',
      );
      await expect(422, "POST", `${core}/events`, event({ kind: "Node", name: "n" }));
      await expect(201, "POST", `${core}/events`, event({ kind: "X", name: "y", namespace }));
      assert.equal((await expect(200, "PATCH", `${core}/events/a`, { count: 3 }, merge)).count, 3);
    },
  },
  {
    name: "an Event of events.k8s.io is complete, short, and stays as it is but for its series",
    async run({ expect, core, namespace }) {
      const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
      const regarding = { kind: "X", name: "y", namespace };
      const event = (more: Body): Body => make("Event", { regarding, ...more }, "a", "events.k8s.io/v1");
      const whole = {
        eventTime: "2020-01-01T00:00:00.000000Z",
        reportingController: "a.b/c",
        reportingInstance: "i",
        action: "Act",
        reason: "Reason",
        type: "Normal",
        note: "n",
      };
      const refused = async (more: Body): Promise<string> => (await expect(422, "POST", path, event(more))).message;
      assert.equal(
        await refused({}),
        'Event "a" is invalid: [eventTime: Required value, type: Invalid value: "": has invalid value: ]',
      );
      assert.equal(
        await refused({ ...whole, note: "n".repeat(1025) }),
        'Event "a" is invalid: message: Invalid value: "": can have at most 1024 characters',
      );
      await expect(201, "POST", path, event(whole));
      assert.equal((await expect(200, "GET", `${core}/events/a`)).message, "n");
      const status = await expect(422, "PATCH", `${path}/a`, { note: "other" }, merge);
      assert.equal(status.message, 'Event "a" is invalid: message: Invalid value: "other": field is immutable');
      const series = { count: 2, lastObservedTime: "2020-01-01T00:00:01.000000Z" };
      assert.deepEqual((await expect(200, "PATCH", `${path}/a`, { series }, merge)).series, series);
    },
  },
  {
    name: "fields of an Event that nobody set",
    differs: "left out here; the real server shows them as null or empty",
    async run({ expect, core, namespace, either }) {
      const event = make("Event", { involvedObject: { kind: "X", name: "y", namespace } });
      const made = await expect(201, "POST", `${core}/events`, event);
      assert.equal("eventTime" in made, either(true, false));
    },
  },
];
