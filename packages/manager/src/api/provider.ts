import {
  boolean,
  conditions,
  dateTime,
  integer,
  list,
  namespacedReference,
  object,
  oneOf,
  preserved,
  required,
  string,
} from "./schema.ts";
import { defineKind } from "./define-kind.ts";
import type { ObjectOf } from "./define-kind.ts";

export const providerKind = defineKind({
  kind: "Provider",
  plural: "providers",
  shortNames: ["prov"],
  columns: [
    { name: "Type", type: "string", jsonPath: ".spec.type" },
    { name: "Endpoint", type: "string", jsonPath: ".spec.endpoint" },
    { name: "Healthy", type: "boolean", jsonPath: ".status.healthy" },
    { name: "Connected VMs", type: "integer", jsonPath: ".status.connectedVMs" },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  ],
  spec: object({
    connectionPooling: object({
      connectionTimeout: string({ default: "30s" }),
      idleTimeout: string({ default: "5m" }),
      maxConnections: integer({ format: "int32", minimum: 1, maximum: 100, default: 10 }),
      maxIdleConnections: integer({ format: "int32", minimum: 1, default: 5 }),
    }),
    credentialSecretRef: required(namespacedReference()),
    defaults: object({
      cluster: string({ maxLength: 255 }),
      datastore: string({ maxLength: 255 }),
      folder: string({ maxLength: 255 }),
      network: string({ maxLength: 255 }),
      resourcePool: string({ maxLength: 255 }),
      storagePod: string({ maxLength: 255 }),
    }),
    endpoint: required(
      string({
        pattern: String.raw`^((https?://[a-zA-Z0-9.-]+(:[0-9]+)?(/.*)?|(tcp|grpc)://[a-zA-Z0-9.-]+:[0-9]+(/.*)?)|qemu(\+ssh|\+tcp|\+tls|\+unix)?://([a-zA-Z0-9@.-]+(:[0-9]+)?)?(/.*)|test(\+unix)?:///default|mock:///.*)$`,
      }),
    ),
    healthCheck: object({
      enabled: boolean({ default: true }),
      failureThreshold: integer({ format: "int32", minimum: 1, maximum: 10, default: 3 }),
      interval: string({ default: "30s" }),
      successThreshold: integer({ format: "int32", minimum: 1, maximum: 10, default: 1 }),
      timeout: string({ default: "10s" }),
    }),
    insecureSkipVerify: boolean({ default: false }),
    rateLimit: object({
      burst: integer({ minimum: 1, maximum: 2000, default: 20 }),
      qps: integer({ minimum: 1, maximum: 1000, default: 10 }),
    }),
    runtime: required(
      object({
        affinity: preserved(),
        env: preserved(),
        image: required(string({ pattern: "^[a-zA-Z0-9._/-]+(:[a-zA-Z0-9._-]+)?(@[a-zA-Z0-9]+:[a-fA-F0-9]{64})?$" })),
        imagePullPolicy: oneOf(["Always", "Never", "IfNotPresent"], { default: "IfNotPresent" }),
        imagePullSecrets: list(
          object({
            name: string({ default: "" }),
          }),
          { maxItems: 10 },
        ),
        livenessProbe: preserved(),
        logFormat: oneOf(["text", "json"], { default: "text" }),
        logLevel: oneOf(["debug", "info", "warn", "error"], { default: "info" }),
        mode: oneOf(["Remote"], { default: "Remote" }),
        nodeSelector: preserved(),
        readinessProbe: preserved(),
        replicas: integer({ format: "int32", minimum: 1, maximum: 10, default: 1 }),
        resources: preserved(),
        securityContext: preserved(),
        service: object({
          port: integer({ format: "int32", minimum: 1024, maximum: 65535, default: 9443 }),
          tls: object({
            enabled: boolean({ default: true }),
            insecureSkipVerify: boolean({ default: false }),
            secretRef: object({
              name: string({ default: "" }),
            }),
          }),
        }),
        tolerations: preserved(),
      }),
    ),
    type: required(oneOf(["vsphere", "libvirt", "firecracker", "qemu", "proxmox", "mock"])),
  }),
  status: object({
    adoption: object({
      adoptedVMs: integer({ format: "int32" }),
      discoveredVMs: integer({ format: "int32" }),
      failedAdoptions: integer({ format: "int32" }),
      lastDiscoveryTime: dateTime(),
      message: string(),
    }),
    capabilities: list(
      oneOf([
        "VirtualMachines",
        "Snapshots",
        "Cloning",
        "LiveMigration",
        "ConsoleAccess",
        "DiskManagement",
        "NetworkManagement",
        "GPUPassthrough",
        "HighAvailability",
        "Backup",
        "Templates",
      ]),
    ),
    conditions: conditions(),
    connectedVMs: integer({ format: "int32" }),
    healthy: boolean(),
    lastHealthCheck: dateTime(),
    observedGeneration: integer({ format: "int64" }),
    reportedCapabilities: object({
      supportedDiskTypes: list(string()),
      supportedExportBackends: list(string()),
      supportedExportFormats: list(string()),
      supportedImportBackends: list(string()),
      supportedImportFormats: list(string()),
      supportedNetworkTypes: list(string()),
      supportedTransferModes: list(string()),
      supportsDiskExpansionOnline: boolean(),
      supportsDiskExport: boolean(),
      supportsDiskImport: boolean(),
      supportsExportCompression: boolean(),
      supportsImageImport: boolean(),
      supportsLinkedClones: boolean(),
      supportsMemorySnapshots: boolean(),
      supportsReconfigureOnline: boolean(),
      supportsSnapshots: boolean(),
    }),
    resourceUsage: object({
      cpu: object({
        available: integer({ format: "int64" }),
        total: integer({ format: "int64" }),
        usagePercent: integer({ format: "int32" }),
        used: integer({ format: "int64" }),
      }),
      memory: object({
        available: integer({ format: "int64" }),
        total: integer({ format: "int64" }),
        usagePercent: integer({ format: "int32" }),
        used: integer({ format: "int64" }),
      }),
      network: object({
        bytesReceived: integer({ format: "int64" }),
        bytesSent: integer({ format: "int64" }),
        packetsReceived: integer({ format: "int64" }),
        packetsSent: integer({ format: "int64" }),
      }),
      storage: object({
        available: integer({ format: "int64" }),
        total: integer({ format: "int64" }),
        usagePercent: integer({ format: "int32" }),
        used: integer({ format: "int64" }),
      }),
    }),
    runtime: object({
      availableReplicas: integer({ format: "int32" }),
      endpoint: string(),
      message: string(),
      mode: oneOf(["Remote"]),
      phase: oneOf(["Pending", "Starting", "Running", "Stopping", "Failed"]),
      readyReplicas: integer({ format: "int32" }),
      serviceRef: object({
        name: string({ default: "" }),
      }),
    }),
    version: string(),
  }),
});

export type Provider = ObjectOf<typeof providerKind>;
