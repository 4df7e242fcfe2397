import type { FieldError, Json, JsonObject } from "../schema/index.ts";
import type { Kind } from "./kind.ts";
import { at, isObject, listAt, show, textAt } from "../object.ts";
import { invalidValue, notSupported, required } from "../schema/index.ts";
import { ageColumn, column, nameColumn } from "../table/columns.ts";
import { defineBuiltin } from "./builtin.ts";
import { boolean, integer, intOrString, list, object, open, string, stringMap } from "./schema-dsl.ts";

const serviceTypes = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

function portsOf(service: JsonObject): string {
  const ports = listAt(service, "spec", "ports").map((port) => {
    const node = at(port, "nodePort");
    return `${show(at(port, "port"))}${typeof node === "number" && node > 0 ? `:${node}` : ""}/${textAt(port, "protocol")}`;
  });
  return ports.join(",") || "<none>";
}

function selectorOf(service: JsonObject): string {
  const selector = at(service, "spec", "selector");
  if (!isObject(selector)) return "<none>";
  return Object.entries(selector)
    .map(([key, value]) => `${key}=${show(value)}`)
    .sort()
    .join(",");
}

/** An address of 10.96.0.0/12 that no other service has, as long as fewer than a million writes lie between two. */
function address(revision: number): string {
  const host = (revision % (2 ** 20 - 2)) + 1;
  return `10.${96 + (host >>> 16)}.${(host >>> 8) & 255}.${host & 255}`;
}

export const serviceKind: Kind = defineBuiltin({
  kind: "Service",
  plural: "services",
  shortNames: ["svc"],
  categories: ["all"],
  nameRule: "label",
  returnsDeleted: true,
  hasStatus: true,
  properties: {
    spec: object("The service as wanted.", {
      type: string("ClusterIP, NodePort, LoadBalancer or ExternalName."),
      selector: stringMap("Labels of the pods behind the service."),
      ports: list(
        "The ports.",
        object("One port.", {
          name: string("Name within the service; needed when there are several."),
          protocol: string("TCP, UDP or SCTP."),
          appProtocol: string("The protocol above it."),
          port: integer("Port of the service."),
          targetPort: intOrString("Port of the pods, or its name."),
          nodePort: integer("Port on every node."),
        }),
        ["port", "protocol"],
      ),
      clusterIP: string("The address; `None` for a headless service."),
      clusterIPs: list("All addresses.", { type: "string" }),
      externalIPs: list("Addresses that nodes take traffic for.", { type: "string" }),
      externalName: string("The DNS name behind an ExternalName service."),
      sessionAffinity: string("None or ClientIP."),
      sessionAffinityConfig: open("Details of the session affinity."),
      loadBalancerIP: string("Wanted address of the load balancer."),
      loadBalancerClass: string("Which load balancer."),
      loadBalancerSourceRanges: list("Who may use the load balancer.", { type: "string" }),
      allocateLoadBalancerNodePorts: boolean("Whether a load balancer gets node ports."),
      externalTrafficPolicy: string("Cluster or Local."),
      internalTrafficPolicy: string("Cluster or Local."),
      trafficDistribution: string("Preference among endpoints."),
      healthCheckNodePort: integer("Port of the health check."),
      ipFamilies: list("IPv4, IPv6.", { type: "string" }),
      ipFamilyPolicy: string("SingleStack, PreferDualStack or RequireDualStack."),
      publishNotReadyAddresses: boolean("Whether pods that are not ready count."),
    }),
    status: object("The service as it is.", {
      loadBalancer: open("Addresses of the load balancer."),
      conditions: list("Conditions.", open("One condition."), ["type"]),
    }),
  },
  columns: [
    nameColumn,
    column("Type", "string", (service) => textAt(service, "spec", "type")),
    column("Cluster-IP", "string", (service) => textAt(service, "spec", "clusterIP") || "<none>"),
    column("External-IP", "string", (service) => textAt(service, "spec", "externalName") || "<none>"),
    column("Port(s)", "string", portsOf),
    ageColumn,
    column("Selector", "string", selectorOf, { priority: 1 }),
  ],
  selectable: {
    "spec.clusterIP": (service) => textAt(service, "spec", "clusterIP"),
    "spec.type": (service) => textAt(service, "spec", "type"),
  },
  prepare(next) {
    const spec: JsonObject = { ...(isObject(next.spec) ? next.spec : {}) };
    spec.type ??= "ClusterIP";
    spec.sessionAffinity ??= "None";
    if (spec.type !== "ExternalName") spec.internalTrafficPolicy ??= "Cluster";
    if (Array.isArray(spec.ports)) {
      spec.ports = spec.ports.map((port): Json =>
        isObject(port) ? { protocol: "TCP", targetPort: port.port ?? 0, ...port } : port,
      );
    }
    return { ...next, spec };
  },
  assign(next, previous, { revision }) {
    const spec: JsonObject = { ...(isObject(next.spec) ? next.spec : {}) };
    if (spec.type !== "ExternalName") {
      spec.clusterIP = spec.clusterIP || at(previous, "spec", "clusterIP") || address(revision);
      spec.clusterIPs ??= [spec.clusterIP];
      spec.ipFamilies ??= ["IPv4"];
      spec.ipFamilyPolicy ??= "SingleStack";
    }
    return { ...next, spec, status: isObject(next.status) ? next.status : { loadBalancer: {} } };
  },
  validate(next, previous) {
    const errors: FieldError[] = [];
    const ports = listAt(next, "spec", "ports");
    const type = textAt(next, "spec", "type");
    if (!serviceTypes.includes(type)) {
      errors.push(notSupported("spec.type", type, serviceTypes));
    }
    if (ports.length === 0 && type !== "ExternalName" && textAt(next, "spec", "clusterIP") !== "None")
      errors.push(required("spec.ports"));
    ports.forEach((port, index) => {
      const number = at(port, "port");
      if (typeof number !== "number" || number < 1 || number > 65_535) {
        errors.push(invalidValue(`spec.ports[${index}].port`, number ?? 0, "must be between 1 and 65535, inclusive"));
      }
      if (ports.length > 1 && textAt(port, "name") === "") errors.push(required(`spec.ports[${index}].name`));
    });
    const before = textAt(previous, "spec", "clusterIP");
    const after = textAt(next, "spec", "clusterIP");
    if (before !== "" && type !== "ExternalName" && before !== after)
      errors.push(invalidValue("spec.clusterIP", after, "field is immutable"));
    return errors;
  },
});
