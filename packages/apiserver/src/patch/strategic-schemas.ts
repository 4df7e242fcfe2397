/**
 * How a strategic merge patch treats one field. Fields without an entry behave by their value: objects merge, lists are replaced as a
 * whole.
 */
export interface StrategicField {
  /** Lists with a strategy of merge: the field that identifies their objects. Absent on lists of primitives. */
  readonly mergeKey?: string;
  /** `merge` merges a list; `replace` replaces an object; `retainKeys` says that clients send $retainKeys for this union. */
  readonly strategy?: readonly ("merge" | "replace" | "retainKeys")[];
  /** The fields of the object, or of the list's objects. */
  readonly fields?: StrategicFields;
}

/** Fields by name. */
export type StrategicFields = Readonly<Record<string, StrategicField>>;

/** The strategies of one kind. */
export interface StrategicSchema {
  readonly fields?: StrategicFields;
}

const listBy = (mergeKey: string, fields: StrategicFields = {}): StrategicField => ({
  mergeKey,
  strategy: ["merge"],
  fields,
});
const setOfPrimitives: StrategicField = { strategy: ["merge"] };
const object = (fields: StrategicFields): StrategicField => ({ fields });

const objectMeta = object({ finalizers: setOfPrimitives, ownerReferences: listBy("uid") });

const containerFields: StrategicFields = {
  env: listBy("name"),
  ports: listBy("containerPort"),
  volumeDevices: listBy("devicePath"),
  volumeMounts: listBy("mountPath"),
};

const podSpec = object({
  containers: listBy("name", containerFields),
  ephemeralContainers: listBy("name", containerFields),
  hostAliases: listBy("ip"),
  imagePullSecrets: listBy("name"),
  initContainers: listBy("name", containerFields),
  resourceClaims: { mergeKey: "name", strategy: ["merge", "retainKeys"] },
  schedulingGates: listBy("name"),
  topologySpreadConstraints: listBy("topologyKey"),
  volumes: { mergeKey: "name", strategy: ["merge", "retainKeys"] },
});

const conditions = listBy("type");

/**
 * The strategies of built-in kinds, by kind: what `patchStrategy` and `patchMergeKey` say in the types of k8s.io/api. Custom resources
 * have none, and the server answers a strategic patch of one with 415.
 */
export const strategicSchemas: Readonly<Record<string, StrategicSchema>> = {
  ConfigMap: { fields: { metadata: objectMeta } },
  Deployment: {
    fields: {
      metadata: objectMeta,
      spec: object({
        strategy: { strategy: ["retainKeys"] },
        template: object({ metadata: objectMeta, spec: podSpec }),
      }),
      status: object({ conditions }),
    },
  },
  Event: { fields: { metadata: objectMeta } },
  Lease: { fields: { metadata: objectMeta } },
  Namespace: { fields: { metadata: objectMeta, status: object({ conditions }) } },
  Node: {
    fields: {
      metadata: objectMeta,
      spec: object({ podCIDRs: setOfPrimitives }),
      status: object({ addresses: listBy("type"), conditions }),
    },
  },
  Pod: {
    fields: {
      metadata: objectMeta,
      spec: podSpec,
      status: object({ conditions, hostIPs: listBy("ip"), podIPs: listBy("ip") }),
    },
  },
  Secret: { fields: { metadata: objectMeta } },
  Service: {
    fields: {
      metadata: objectMeta,
      spec: object({ ports: listBy("port") }),
      status: object({ conditions }),
    },
  },
  ServiceAccount: {
    fields: { metadata: objectMeta, secrets: listBy("name") },
  },
};
