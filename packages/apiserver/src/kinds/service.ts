import { isIP } from "node:net";
import type { FieldError, Json, JsonObject } from "../schema/index.ts";
import type { Kind } from "./kind.ts";
import { at, isObject, listAt, show, textAt } from "../object.ts";
import { duplicate, forbiddenField, invalidValue, notSupported, required } from "../schema/index.ts";
import { ageColumn, column, nameColumn } from "../table/columns.ts";
import { defineBuiltin } from "./builtin.ts";
import { labelValueProblems, nameProblems, qualifiedNameProblems } from "./names.ts";
import { boolean, integer, intOrString, list, object, open, string, stringMap } from "./schema-dsl.ts";

const protocols = ["SCTP", "TCP", "UDP"];
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

function validateExternalName(name: string): FieldError[] {
  if (name === "") return [required("spec.externalName")];
  return nameProblems(name, "subdomain").map((problem) => invalidValue("spec.externalName", name, problem));
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
        isObject(port) ? { protocol: "TCP", ...port, targetPort: port.targetPort || (port.port ?? 0) } : port,
      );
    }
    if (spec.sessionAffinity === "ClientIP") spec.sessionAffinityConfig ??= { clientIP: { timeoutSeconds: 10_800 } };
    return { ...next, spec };
  },
  assign(next, previous, { revision }) {
    const spec: JsonObject = { ...(isObject(next.spec) ? next.spec : {}) };
    if (spec.type === "ExternalName") {
      // What the type before had is released.
      if (at(previous, "spec", "type") !== "ExternalName" && previous !== undefined)
        for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"])
          delete spec[field];
    } else if (spec.clusterIP === "None" && spec.selector === undefined) {
      spec.clusterIPs ??= ["None"];
      spec.ipFamilies ??= ["IPv4", "IPv6"];
      spec.ipFamilyPolicy ??= "RequireDualStack";
    } else {
      spec.clusterIP = spec.clusterIP || at(previous, "spec", "clusterIP") || address(revision);
      // Older clients know the one field only, and the other follows it.
      if (spec.clusterIPs === undefined || spec.clusterIP !== at(previous, "spec", "clusterIP"))
        spec.clusterIPs = [spec.clusterIP];
      spec.ipFamilies ??= ["IPv4"];
      spec.ipFamilyPolicy ??= "SingleStack";
    }
    return { ...next, spec, status: isObject(next.status) ? next.status : { loadBalancer: {} } };
  },
  validate(next, previous) {
    const errors: FieldError[] = [];
    const ports = listAt(next, "spec", "ports");
    const type = textAt(next, "spec", "type");
    const wanted = at(next, "spec", "selector");
    const selector = isObject(wanted) ? wanted : {};
    if (!serviceTypes.includes(type)) {
      errors.push(notSupported("spec.type", type, serviceTypes));
    }
    if (type === "ExternalName") errors.push(...validateExternalName(textAt(next, "spec", "externalName")));
    for (const [key, value] of Object.entries(selector)) {
      for (const problem of qualifiedNameProblems(key)) errors.push(invalidValue("spec.selector", key, problem));
      for (const problem of labelValueProblems(show(value))) errors.push(invalidValue("spec.selector", value, problem));
    }
    const address = show(listAt(next, "spec", "clusterIPs")[0]);
    if (address !== "" && address !== "None" && isIP(address) === 0) {
      const why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
      errors.push(invalidValue("spec.clusterIPs[0]", address, why));
    }
    if (ports.length === 0 && type !== "ExternalName" && textAt(next, "spec", "clusterIP") !== "None")
      errors.push(required("spec.ports"));
    ports.forEach((port, index) => {
      const number = at(port, "port");
      const path = `spec.ports[${index}]`;
      const name = textAt(port, "name");
      for (const field of ["port", "targetPort"]) {
        const value = at(port, field) ?? 0;
        if (field === "targetPort" && typeof value === "string") continue;
        if (typeof value !== "number" || value < 1 || value > 65_535)
          errors.push(invalidValue(`${path}.${field}`, value, "must be between 1 and 65535, inclusive"));
      }
      if (name !== "") {
        for (const problem of nameProblems(name, "label")) errors.push(invalidValue(`${path}.name`, name, problem));
        if (ports.slice(0, index).some((other) => textAt(other, "name") === name))
          errors.push(duplicate(`${path}.name`, name));
      } else if (ports.length > 1) errors.push(required(`${path}.name`));
      const protocol = textAt(port, "protocol");
      if (!protocols.includes(protocol)) errors.push(notSupported(`${path}.protocol`, protocol, protocols));
      const same = (other: Json): boolean => at(other, "port") === number && textAt(other, "protocol") === protocol;
      if (ports.slice(0, index).some(same)) {
        const struct = {
          Name: "",
          Protocol: protocol,
          AppProtocol: null,
          Port: number ?? 0,
          TargetPort: 0,
          NodePort: 0,
        };
        errors.push({ ...duplicate(path, ""), message: `Duplicate value: ${JSON.stringify(struct)}` });
      }
    });
    const before = textAt(previous, "spec", "clusterIP");
    const after = textAt(next, "spec", "clusterIP");
    if (before !== "" && type !== "ExternalName" && before !== after)
      errors.push(invalidValue("spec.clusterIPs[0]", [after], "may not change once set"));
    const ingress = listAt(next, "status", "loadBalancer", "ingress");
    if (ingress.length > 0 && type !== "LoadBalancer")
      errors.push(forbiddenField("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'"));
    return errors;
  },
});
