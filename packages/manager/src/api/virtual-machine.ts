import {
  boolean,
  conditions,
  dateTime,
  integer,
  list,
  map,
  namespacedReference,
  object,
  oneOf,
  patterns,
  reference,
  required,
  string,
} from "./schema.ts";
import { defineKind } from "./define-kind.ts";
import type { ObjectOf } from "./define-kind.ts";

export const virtualMachineKind = defineKind({
  kind: "VirtualMachine",
  plural: "virtualmachines",
  shortNames: ["vm"],
  columns: [
    { name: "Phase", type: "string", jsonPath: ".status.phase" },
    { name: "Provider", type: "string", jsonPath: ".spec.providerRef.name" },
    { name: "Class", type: "string", jsonPath: ".spec.classRef.name" },
    { name: "Image", type: "string", jsonPath: ".spec.imageRef.name" },
    { name: "IPs", type: "string", jsonPath: ".status.ips[*]" },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  ],
  spec: object({
    classRef: required(namespacedReference()),
    disks: list(
      object({
        expandPolicy: oneOf(["Online", "Offline"], { default: "Offline" }),
        name: required(string({ maxLength: 63, pattern: patterns.label })),
        scsi: object({
          controller: integer({ format: "int32", minimum: 0, maximum: 3 }),
          controllerType: oneOf(["lsilogic", "buslogic", "lsilogic-sas", "pvscsi"], { default: "pvscsi" }),
          sharedBus: oneOf(["noSharing", "virtualSharing", "physicalSharing"], { default: "noSharing" }),
        }),
        sizeGiB: required(integer({ format: "int32", minimum: 1, maximum: 65536 })),
        storageClass: string(),
        type: oneOf(["thin", "thick", "eagerzeroedthick", "ssd", "hdd"], { default: "thin" }),
      }),
      { maxItems: 20 },
    ),
    imageRef: namespacedReference(),
    importedDisk: object({
      diskID: required(string({ minLength: 1, maxLength: 253 })),
      format: oneOf(["qcow2", "vmdk", "raw", "vdi", "vhdx"], { default: "qcow2" }),
      migrationRef: reference(),
      path: string(),
      sizeGiB: integer({ format: "int32", minimum: 1 }),
      source: oneOf(["migration", "clone", "import", "snapshot", "manual"]),
    }),
    lifecycle: object({
      gracefulShutdownTimeout: string({ default: "60s" }),
      postStart: object({
        exec: object({
          command: required(list(string(), { minItems: 1 })),
        }),
        httpGet: object({
          host: string(),
          path: string(),
          port: required(integer({ format: "int32", minimum: 1, maximum: 65535 })),
          scheme: oneOf(["HTTP", "HTTPS"], { default: "HTTP" }),
        }),
        snapshot: object({
          description: string(),
          includeMemory: boolean(),
          name: required(string()),
        }),
      }),
      preStop: object({
        exec: object({
          command: required(list(string(), { minItems: 1 })),
        }),
        httpGet: object({
          host: string(),
          path: string(),
          port: required(integer({ format: "int32", minimum: 1, maximum: 65535 })),
          scheme: oneOf(["HTTP", "HTTPS"], { default: "HTTP" }),
        }),
        snapshot: object({
          description: string(),
          includeMemory: boolean(),
          name: required(string()),
        }),
      }),
    }),
    metaData: object({
      cloudInit: object({
        inline: string(),
        secretRef: reference(),
      }),
    }),
    networks: list(
      object({
        dns: string(),
        gateway: string({ pattern: patterns.ipv4 }),
        ipAddress: string({ pattern: patterns.ipv4 }),
        macAddress: string({ pattern: patterns.mac }),
        name: required(string({ maxLength: 63, pattern: patterns.label })),
        networkRef: namespacedReference(),
        prefix: integer({ format: "int32", minimum: 1, maximum: 32 }),
      }),
      { maxItems: 10 },
    ),
    placement: object({
      cluster: string(),
      datastore: string(),
      folder: string(),
      host: string(),
      resourcePool: string(),
      storagePod: string(),
    }),
    placementRef: reference(),
    powerState: oneOf(["On", "Off", "OffGraceful"]),
    providerRef: required(namespacedReference()),
    resources: object({
      cpu: integer({ format: "int32", minimum: 1, maximum: 128 }),
      gpu: object({
        count: required(integer({ format: "int32", minimum: 1, maximum: 8 })),
        memory: integer({ format: "int64", minimum: 512 }),
        type: string({ pattern: "^[a-zA-Z0-9-_]+$" }),
      }),
      memoryMiB: integer({ format: "int64", minimum: 128, maximum: 1048576 }),
    }),
    snapshot: object({
      revertToRef: reference(),
    }),
    tags: list(string(), { maxItems: 50 }),
    userData: object({
      cloudInit: object({
        inline: string(),
        secretRef: reference(),
      }),
      ignition: object({
        inline: string(),
        secretRef: reference(),
      }),
    }),
  }),
  status: object({
    conditions: conditions(),
    consoleURL: string(),
    currentResources: object({
      cpu: integer({ format: "int32", minimum: 1, maximum: 128 }),
      gpu: object({
        count: required(integer({ format: "int32", minimum: 1, maximum: 8 })),
        memory: integer({ format: "int64", minimum: 512 }),
        type: string({ pattern: "^[a-zA-Z0-9-_]+$" }),
      }),
      memoryMiB: integer({ format: "int64", minimum: 128, maximum: 1048576 }),
    }),
    id: string(),
    ips: list(string()),
    lastReconfigureTime: dateTime(),
    lastTaskRef: string(),
    message: string(),
    observedGeneration: integer({ format: "int64" }),
    phase: oneOf(["Pending", "Provisioning", "Running", "Stopped", "Reconfiguring", "Deleting", "Failed"]),
    powerState: oneOf(["On", "Off", "OffGraceful", "Suspended"]),
    provider: map(string()),
    reconfigureTaskRef: string(),
    snapshots: list(
      object({
        creationTime: required(dateTime()),
        description: string(),
        hasMemory: boolean(),
        id: required(string()),
        name: required(string()),
        sizeBytes: integer({ format: "int64" }),
      }),
    ),
  }),
});

export type VirtualMachine = ObjectOf<typeof virtualMachineKind>;
