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
  required,
  string,
} from "./schema.ts";
import { defineKind } from "./define-kind.ts";
import type { ObjectOf } from "./define-kind.ts";

export const vmClassKind = defineKind({
  kind: "VMClass",
  plural: "vmclasses",
  shortNames: ["vmclass"],
  columns: [
    { name: "CPU", type: "integer", jsonPath: ".spec.cpu" },
    { name: "Memory", type: "string", jsonPath: ".spec.memory" },
    { name: "Firmware", type: "string", jsonPath: ".spec.firmware" },
    { name: "Used By", type: "integer", jsonPath: ".status.usedByVMs" },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  ],
  spec: object({
    cpu: required(integer({ format: "int32", minimum: 1, maximum: 128 })),
    diskDefaults: object({
      iops: integer({ format: "int32", minimum: 100, maximum: 100000 }),
      size: intOrString({ pattern: patterns.quantity, default: "40Gi" }),
      storageClass: string({ maxLength: 253 }),
      type: oneOf(["thin", "thick", "eagerzeroedthick", "ssd", "hdd", "nvme"], { default: "thin" }),
    }),
    extraConfig: map(string(), { maxProperties: 50 }),
    firmware: string({ default: "BIOS" }),
    guestToolsPolicy: oneOf(["install", "skip", "upgrade", "uninstall"], { default: "install" }),
    memory: required(intOrString({ pattern: patterns.quantity })),
    performanceProfile: object({
      cpuHotAddEnabled: boolean({ default: false }),
      hyperThreadingPolicy: oneOf(["auto", "prefer", "avoid", "require"], { default: "auto" }),
      latencySensitivity: oneOf(["low", "normal", "high"], { default: "normal" }),
      memoryHotAddEnabled: boolean({ default: false }),
      nestedVirtualization: boolean({ default: false }),
      virtualizationBasedSecurity: boolean({ default: false }),
    }),
    resourceLimits: object({
      cpuLimit: integer({ format: "int32", minimum: 100, maximum: 100000 }),
      cpuReservation: integer({ format: "int32", minimum: 0, maximum: 100000 }),
      cpuShares: integer({ format: "int32", minimum: 1, maximum: 1000000 }),
      memoryLimit: intOrString({ pattern: patterns.quantity }),
      memoryReservation: intOrString({ pattern: patterns.quantity }),
    }),
    securityProfile: object({
      encryptionPolicy: object({
        enabled: boolean({ default: false }),
        keyProvider: oneOf(["standard", "hardware", "external"]),
        requireEncryption: boolean({ default: false }),
      }),
      secureBoot: boolean({ default: false }),
      tpmEnabled: boolean({ default: false }),
      tpmVersion: oneOf(["1.2", "2.0"]),
      vtdEnabled: boolean({ default: false }),
    }),
  }),
  status: object({
    conditions: conditions(),
    observedGeneration: integer({ format: "int64" }),
    supportedProviders: list(string()),
    usedByVMs: integer({ format: "int32" }),
    validationResults: map(
      object({
        lastValidated: dateTime(),
        message: string(),
        valid: required(boolean()),
        warnings: list(string()),
      }),
    ),
  }),
});

export type VMClass = ObjectOf<typeof vmClassKind>;
