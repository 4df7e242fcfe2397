import type { BuiltinSchema, MergeType } from "./merge-type.ts";
import { atomicList, atomicMap, listBy, mapOfScalars, objectMeta, scalar, setOfScalars, struct } from "./merge-type.ts";

const structs = (...names: string[]): Record<string, MergeType> =>
  Object.fromEntries(names.map((name) => [name, struct()]));

const conditions = listBy(["type"]);
const portWithProtocol = struct({ protocol: { ...scalar, default: "TCP" } });

const envSource = struct({
  configMapKeyRef: atomicMap,
  fieldRef: atomicMap,
  fileKeyRef: atomicMap,
  resourceFieldRef: atomicMap,
  secretKeyRef: atomicMap,
});
const resources = struct({ claims: listBy(["name"]), limits: mapOfScalars, requests: mapOfScalars });
const handler = struct({ exec: struct(), grpc: struct(), httpGet: struct(), sleep: struct(), tcpSocket: struct() });
const container = struct({
  env: listBy(["name"], struct({ valueFrom: envSource })),
  lifecycle: struct({ postStart: handler, preStop: handler }),
  livenessProbe: handler,
  ports: listBy(["containerPort", "protocol"], portWithProtocol),
  readinessProbe: handler,
  resources,
  securityContext: struct(
    structs("appArmorProfile", "capabilities", "seLinuxOptions", "seccompProfile", "windowsOptions"),
  ),
  startupProbe: handler,
  volumeDevices: listBy(["devicePath"]),
  volumeMounts: listBy(["mountPath"]),
});
const persistentVolumeClaim = struct({
  metadata: objectMeta,
  spec: struct({ dataSource: atomicMap, dataSourceRef: struct(), resources, selector: atomicMap }),
});
const volume = struct({
  ...structs("awsElasticBlockStore", "azureDisk", "azureFile", "configMap", "downwardAPI", "emptyDir", "fc", "flocker"),
  ...structs(
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "image",
    "nfs",
    "persistentVolumeClaim",
    "projected",
  ),
  ...structs("photonPersistentDisk", "portworxVolume", "quobyte", "secret", "vsphereVolume"),
  ...Object.fromEntries(
    ["cephfs", "cinder", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"].map((name) => [
      name,
      struct({ options: mapOfScalars, secretRef: atomicMap }),
    ]),
  ),
  csi: struct({ nodePublishSecretRef: atomicMap, volumeAttributes: mapOfScalars }),
  ephemeral: struct({ volumeClaimTemplate: persistentVolumeClaim }),
});
const podSpec = struct({
  affinity: struct({
    nodeAffinity: struct({ requiredDuringSchedulingIgnoredDuringExecution: atomicMap }),
    podAffinity: struct(),
    podAntiAffinity: struct(),
  }),
  containers: listBy(["name"], container),
  dnsConfig: struct(),
  ephemeralContainers: listBy(["name"], container),
  hostAliases: listBy(["ip"]),
  imagePullSecrets: listBy(["name"], atomicMap),
  initContainers: listBy(["name"], container),
  nodeSelector: atomicMap,
  os: struct(),
  overhead: mapOfScalars,
  resourceClaims: listBy(["name"]),
  resources,
  schedulingGates: listBy(["name"]),
  schedulingGroup: struct(),
  securityContext: struct(structs("appArmorProfile", "seLinuxOptions", "seccompProfile", "windowsOptions")),
  tolerations: atomicList,
  topologySpreadConstraints: listBy(["topologyKey", "whenUnsatisfiable"], struct({ labelSelector: atomicMap })),
  volumes: listBy(["name"], volume),
});

interface Definition {
  readonly fields: Readonly<Record<string, MergeType>>;
  readonly empty?: BuiltinSchema["empty"];
}

// Only fields that are neither scalars nor atomic lists need a word. `empty` lists the structs that Go never leaves out.
const definitions: Readonly<Record<string, Definition>> = {
  ConfigMap: { fields: { binaryData: mapOfScalars, data: mapOfScalars } },
  CustomResourceDefinition: {
    fields: {
      spec: struct({
        conversion: struct({ webhook: struct({ clientConfig: struct({ service: struct() }) }) }),
        names: struct(),
      }),
      status: struct({ acceptedNames: struct(), conditions }),
    },
    empty: { spec: { names: {} }, status: { acceptedNames: {} } },
  },
  Deployment: {
    fields: {
      spec: struct({
        selector: atomicMap,
        strategy: struct({ rollingUpdate: struct() }),
        template: struct({ metadata: objectMeta, spec: podSpec }),
      }),
      status: struct({ conditions }),
    },
    empty: {
      spec: { selector: null, strategy: {}, template: { metadata: {}, spec: { containers: null } } },
      status: {},
    },
  },
  Event: {
    fields: { involvedObject: atomicMap, related: atomicMap, series: struct(), source: struct() },
    empty: { involvedObject: {}, source: {} },
  },
  Lease: { fields: { spec: struct() }, empty: { spec: {} } },
  Namespace: { fields: { spec: struct(), status: struct({ conditions }) }, empty: { spec: {}, status: {} } },
  Node: {
    fields: {
      spec: struct({ configSource: struct({ configMap: struct() }), podCIDRs: setOfScalars }),
      status: struct({
        addresses: listBy(["type"]),
        allocatable: mapOfScalars,
        capacity: mapOfScalars,
        conditions,
        config: struct(structs("active", "assigned", "lastKnownGood")),
        daemonEndpoints: struct({ kubeletEndpoint: struct() }),
        features: struct(),
        nodeInfo: struct({ swap: struct() }),
      }),
    },
    empty: { spec: {}, status: { daemonEndpoints: { kubeletEndpoint: {} }, nodeInfo: {} } },
  },
  Pod: {
    fields: {
      spec: podSpec,
      status: struct({
        allocatedResources: mapOfScalars,
        conditions,
        extendedResourceClaimStatus: struct(),
        hostIPs: atomicList,
        podIPs: listBy(["ip"]),
        resourceClaimStatuses: listBy(["name"]),
        resources,
      }),
    },
    empty: { spec: { containers: null }, status: {} },
  },
  Secret: { fields: { data: mapOfScalars, stringData: mapOfScalars } },
  Service: {
    fields: {
      spec: struct({
        ports: listBy(["port", "protocol"], portWithProtocol),
        selector: atomicMap,
        sessionAffinityConfig: struct({ clientIP: struct() }),
      }),
      status: struct({ conditions, loadBalancer: struct() }),
    },
    empty: { spec: {}, status: { loadBalancer: {} } },
  },
  ServiceAccount: { fields: { secrets: listBy(["name"], atomicMap) } },
};

const schemas = new Map<string, BuiltinSchema>();

/**
 * How objects of a built-in kind merge: the list and map types in the Go types of k8s.io/api. Kinds without an entry of their own
 * merge object by object, with atomic lists.
 */
export function builtinSchema(kind: string): BuiltinSchema {
  let schema = schemas.get(kind);
  if (schema === undefined) {
    const definition = Object.hasOwn(definitions, kind) ? definitions[kind] : undefined;
    const fields = definition?.fields ?? { spec: struct(), status: struct() };
    const empty = { metadata: {}, ...definition?.empty };
    schema = { kind, type: struct({ apiVersion: scalar, kind: scalar, metadata: objectMeta, ...fields }), empty };
    // Kinds come from requests: only those with a definition are worth remembering.
    if (definition !== undefined) schemas.set(kind, schema);
  }
  return schema;
}
