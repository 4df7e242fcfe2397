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

export const vmCloneKind = defineKind({
  kind: "VMClone",
  plural: "vmclones",
  shortNames: ["vmclone"],
  columns: [
    { name: "Source", type: "string", jsonPath: ".spec.source.vmRef.name" },
    { name: "Target", type: "string", jsonPath: ".spec.target.name" },
    { name: "Phase", type: "string", jsonPath: ".status.phase" },
    { name: "Clone Type", type: "string", jsonPath: ".status.actualCloneType" },
    { name: "Progress", type: "integer", jsonPath: ".status.progress.overallPercentage" },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  ],
  spec: object({
    customization: object({
      certificates: list(
        object({
          data: string(),
          name: required(string({ maxLength: 255 })),
          secretKey: string({ default: "tls.crt" }),
          secretRef: reference(),
          store: oneOf(["root", "ca", "my", "trust"], { default: "root" }),
        }),
        { maxItems: 10 },
      ),
      domain: string({ maxLength: 255 }),
      guestCommands: list(
        object({
          arguments: list(string(), { maxItems: 20 }),
          command: required(string({ maxLength: 1000 })),
          runAsUser: string({ maxLength: 255 }),
          stage: oneOf(["pre-customization", "post-customization", "first-boot"], { default: "post-customization" }),
          timeout: string({ default: "5m" }),
          workingDirectory: string({ maxLength: 500 }),
        }),
        { maxItems: 20 },
      ),
      hostname: string({ maxLength: 255, pattern: String.raw`^[a-zA-Z0-9]([a-zA-Z0-9\-]*[a-zA-Z0-9])?$` }),
      networks: list(
        object({
          dhcp: boolean(),
          dns: list(string(), { maxItems: 5 }),
          gateway: string({ pattern: patterns.ipv4 }),
          ipAddress: string({ pattern: patterns.ipv4 }),
          macAddress: string({ pattern: patterns.mac }),
          name: required(string({ maxLength: 255 })),
          subnetMask: string({ pattern: patterns.ipv4 }),
        }),
        { maxItems: 10 },
      ),
      sysprep: object({
        adminPassword: object({
          secretKey: string({ default: "password" }),
          secretRef: reference(),
          value: string(),
        }),
        customCommands: list(string(), { maxItems: 20 }),
        enabled: boolean({ default: false }),
        joinDomain: object({
          domain: required(string({ maxLength: 255 })),
          organizationalUnit: string({ maxLength: 500 }),
          password: required(
            object({
              secretKey: string({ default: "password" }),
              secretRef: reference(),
              value: string(),
            }),
          ),
          username: required(string({ maxLength: 255 })),
        }),
        organization: string({ maxLength: 255 }),
        owner: string({ maxLength: 255 }),
        productKey: string(),
      }),
      tags: list(string(), { maxItems: 50 }),
      timeZone: string({ maxLength: 100 }),
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
    metadata: object({
      createdBy: string({ maxLength: 255 }),
      environment: oneOf(["dev", "staging", "prod", "test", "qa", "uat"]),
      project: string({ maxLength: 255 }),
      purpose: oneOf(["backup", "testing", "migration", "development", "production", "staging"]),
      tags: map(string(), { maxProperties: 50 }),
    }),
    options: object({
      includeSnapshots: boolean({ default: false }),
      parallel: boolean({ default: false }),
      performance: object({
        concurrentDisks: integer({ format: "int32", minimum: 1, maximum: 10, default: 2 }),
        ioThrottling: boolean({ default: false }),
        maxIOPS: integer({ format: "int32", minimum: 100, maximum: 100000 }),
        priority: oneOf(["Low", "Normal", "High"], { default: "Normal" }),
      }),
      powerOn: boolean({ default: false }),
      retryPolicy: object({
        backoffMultiplier: integer({ format: "int32", default: 2 }),
        maxRetries: integer({ format: "int32", minimum: 0, maximum: 10, default: 3 }),
        retryDelay: string({ default: "5m" }),
      }),
      storage: object({
        datastore: string({ maxLength: 255 }),
        diskFormat: oneOf(["thin", "thick", "eagerzeroedthick", "ssd", "hdd", "nvme"]),
        enableCompression: boolean({ default: false }),
        folder: string({ maxLength: 255 }),
        preferThinProvisioning: boolean({ default: true }),
        storageClass: string({ maxLength: 253 }),
      }),
      timeout: string({ default: "30m" }),
      type: string({ default: "FullClone" }),
    }),
    source: required(
      object({
        imageRef: namespacedReference(),
        snapshotRef: reference(),
        templateRef: namespacedReference(),
        vmRef: reference(),
      }),
    ),
    target: required(
      object({
        annotations: map(string(), { maxProperties: 50 }),
        classRef: reference(),
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
        labels: map(string(), { maxProperties: 50 }),
        name: required(string({ maxLength: 253, pattern: patterns.label })),
        namespace: string({ maxLength: 63, pattern: patterns.label }),
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
        placementRef: reference(),
        providerRef: namespacedReference(),
      }),
    ),
  }),
  status: object({
    actualCloneType: oneOf(["FullClone", "LinkedClone", "InstantClone"]),
    completionTime: dateTime(),
    conditions: conditions(),
    customizationStatus: object({
      completed: boolean(),
      completedSteps: list(string()),
      currentStep: string(),
      failedSteps: list(string()),
      message: string(),
      started: boolean(),
    }),
    lastRetryTime: dateTime(),
    message: string(),
    observedGeneration: integer({ format: "int64" }),
    phase: oneOf(["Pending", "Preparing", "Cloning", "Customizing", "Powering-On", "Ready", "Failed"]),
    progress: object({
      completedDisks: integer({ format: "int32" }),
      currentDisk: object({
        completedBytes: integer({ format: "int64" }),
        name: required(string()),
        percentage: integer({ format: "int32", minimum: 0, maximum: 100 }),
        totalBytes: integer({ format: "int64" }),
        transferRate: integer({ format: "int64" }),
      }),
      eta: string(),
      overallPercentage: integer({ format: "int32", minimum: 0, maximum: 100 }),
      totalDisks: integer({ format: "int32" }),
    }),
    retryCount: integer({ format: "int32" }),
    startTime: dateTime(),
    targetRef: reference(),
    targetVMID: string(),
    taskRef: string(),
  }),
});

export type VMClone = ObjectOf<typeof vmCloneKind>;
