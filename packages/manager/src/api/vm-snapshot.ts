import {
  boolean,
  conditions,
  dateTime,
  integer,
  intOrString,
  list,
  map,
  object,
  oneOf,
  patterns,
  reference,
  required,
  string,
} from "./schema.ts";
import { defineKind } from "./define-kind.ts";
import type { ObjectOf } from "./define-kind.ts";

export const vmSnapshotKind = defineKind({
  kind: "VMSnapshot",
  plural: "vmsnapshots",
  shortNames: ["vmsnap"],
  columns: [
    { name: "VM", type: "string", jsonPath: ".spec.vmRef.name" },
    { name: "Phase", type: "string", jsonPath: ".status.phase" },
    { name: "Size", type: "string", jsonPath: ".status.size" },
    { name: "Created", type: "date", jsonPath: ".status.creationTime" },
    // Not a date, which kubectl shows as the time since then.
    { name: "Expires", type: "string", jsonPath: ".status.expiryTime" },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  ],
  spec: object({
    metadata: object({
      application: string({ maxLength: 255 }),
      environment: oneOf(["dev", "staging", "prod", "test", "qa", "uat"]),
      pinned: boolean({ default: false }),
      purpose: oneOf(["backup", "testing", "migration", "restore-point", "update", "other"]),
      tags: map(string(), { maxProperties: 50 }),
    }),
    retentionPolicy: object({
      deleteOnVMDelete: boolean({ default: true }),
      gracePeriod: string({ default: "24h" }),
      maxAge: string(),
      maxCount: integer({ format: "int32", minimum: 1, maximum: 100 }),
      preservePinned: boolean({ default: true }),
    }),
    schedule: object({
      concurrencyPolicy: oneOf(["Allow", "Forbid", "Replace"], { default: "Forbid" }),
      cronSpec: string({
        pattern: String.raw`^(@(annually|yearly|monthly|weekly|daily|hourly|reboot))|(@every (\d+(ns|us|µs|ms|s|m|h))+)|((((\d+,)+\d+|(\d+(\/|-)\d+)|\d+|\*) ?){5,7})$`,
      }),
      enabled: boolean({ default: false }),
      failedJobsHistoryLimit: integer({ format: "int32", minimum: 0, maximum: 100, default: 1 }),
      successfulJobsHistoryLimit: integer({ format: "int32", minimum: 0, maximum: 100, default: 3 }),
      suspend: boolean({ default: false }),
      timezone: string({ default: "UTC" }),
    }),
    snapshotConfig: object({
      compression: boolean({ default: false }),
      consistencyLevel: oneOf(["CrashConsistent", "FilesystemConsistent", "ApplicationConsistent"], {
        default: "FilesystemConsistent",
      }),
      description: string({ maxLength: 1024 }),
      encryption: object({
        enabled: boolean({ default: false }),
        keyProvider: oneOf(["standard", "hardware", "external"]),
        keyRef: reference(),
      }),
      includeMemory: boolean({ default: false }),
      name: string({ maxLength: 255, pattern: String.raw`^[a-zA-Z0-9]([a-zA-Z0-9\-_]*[a-zA-Z0-9])?$` }),
      quiesce: boolean({ default: true }),
      type: string({ default: "Standard" }),
    }),
    vmRef: required(reference()),
  }),
  status: object({
    children: list(
      object({
        name: required(string()),
        namespace: string(),
        uid: string(),
      }),
    ),
    completionTime: dateTime(),
    conditions: conditions(),
    creationTime: dateTime(),
    expiryTime: dateTime(),
    message: string(),
    observedGeneration: integer({ format: "int64" }),
    parent: object({
      name: required(string()),
      namespace: string(),
      uid: string(),
    }),
    phase: oneOf(["Pending", "Creating", "Ready", "Deleting", "Failed", "Expired"]),
    progress: object({
      completedBytes: integer({ format: "int64" }),
      eta: string(),
      percentage: integer({ format: "int32", minimum: 0, maximum: 100 }),
      startTime: dateTime(),
      totalBytes: integer({ format: "int64" }),
    }),
    providerStatus: map(
      object({
        available: required(boolean()),
        id: string(),
        lastUpdated: dateTime(),
        message: string(),
        path: string(),
        state: string(),
      }),
    ),
    size: intOrString({ pattern: patterns.quantity }),
    snapshotID: string(),
    taskRef: string(),
    virtualSize: intOrString({ pattern: patterns.quantity }),
  }),
});

export type VMSnapshot = ObjectOf<typeof vmSnapshotKind>;
