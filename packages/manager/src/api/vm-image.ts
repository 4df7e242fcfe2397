import {
  boolean,
  conditions,
  dateTime,
  integer,
  intOrString,
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

export const vmImageKind = defineKind({
  kind: "VMImage",
  plural: "vmimages",
  shortNames: ["vmimg"],
  columns: [
    { name: "Ready", type: "boolean", jsonPath: ".status.ready" },
    { name: "Phase", type: "string", jsonPath: ".status.phase" },
    { name: "Size", type: "string", jsonPath: ".status.size" },
    { name: "Providers", type: "string", jsonPath: ".status.availableOn[*]" },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  ],
  spec: object({
    distribution: object({
      family: oneOf(["linux", "windows", "bsd", "other"]),
      kernel: object({
        type: oneOf(["linux", "windows", "freebsd", "other"]),
        version: string(),
      }),
      name: oneOf(["ubuntu", "centos", "rhel", "fedora", "debian", "suse", "windows", "freebsd", "coreos", "other"]),
      variant: string({ maxLength: 100 }),
      version: string({ maxLength: 100 }),
    }),
    metadata: object({
      annotations: map(string(), { maxProperties: 50 }),
      architecture: oneOf(["amd64", "arm64", "x86_64", "aarch64"], { default: "amd64" }),
      description: string({ maxLength: 1024 }),
      displayName: string({ maxLength: 255 }),
      tags: map(string(), { maxProperties: 50 }),
      version: string({ maxLength: 100 }),
    }),
    prepare: object({
      force: boolean(),
      onMissing: oneOf(["Import", "Fail", "Wait"], { default: "Import" }),
      optimization: object({
        convertFormat: oneOf(["qcow2", "raw", "vmdk", "vhd", "vhdx", "iso", "ova", "ovf"]),
        enableCompression: boolean({ default: false }),
        enableDeltaSync: boolean({ default: false }),
        removeUnusedSpace: boolean({ default: false }),
      }),
      retries: integer({ format: "int32", minimum: 0, maximum: 10, default: 3 }),
      storage: object({
        compression: boolean({ default: false }),
        libvirt: object({
          allocationPolicy: oneOf(["eager", "lazy"]),
          preallocation: oneOf(["off", "metadata", "falloc", "full"]),
          storagePool: string({ maxLength: 255 }),
        }),
        preferredFormat: oneOf(["qcow2", "raw", "vmdk", "vhd", "vhdx", "iso", "ova", "ovf"]),
        vsphere: object({
          datastore: string({ maxLength: 255 }),
          diskType: oneOf(["thin", "thick", "eagerzeroedthick"]),
          folder: string({ maxLength: 255 }),
          thinProvisioned: boolean(),
        }),
      }),
      timeout: string({ default: "30m" }),
      validateChecksum: boolean({ default: true }),
    }),
    source: required(
      object({
        dataVolume: namespacedReference(),
        http: object({
          authentication: object({
            basicAuth: object({
              passwordKey: string({ default: "password" }),
              secretRef: required(reference()),
              usernameKey: string({ default: "username" }),
            }),
            bearer: object({
              secretRef: required(reference()),
              tokenKey: string({ default: "token" }),
            }),
            clientCert: object({
              certKey: string({ default: "tls.crt" }),
              keyKey: string({ default: "tls.key" }),
              secretRef: required(reference()),
            }),
          }),
          checksum: string(),
          checksumType: oneOf(["md5", "sha1", "sha256", "sha512"], { default: "sha256" }),
          headers: map(string(), { maxProperties: 20 }),
          timeout: string({ default: "30m" }),
          url: required(string({ pattern: "^https?://.*" })),
        }),
        libvirt: object({
          checksum: string(),
          checksumType: oneOf(["md5", "sha1", "sha256", "sha512"], { default: "sha256" }),
          format: oneOf(["qcow2", "raw", "vmdk", "vhd", "vhdx", "iso", "ova", "ovf"], { default: "qcow2" }),
          path: string(),
          storagePool: string({ maxLength: 255 }),
          url: string({ pattern: "^(https?|ftp)://.*" }),
        }),
        proxmox: object({
          format: oneOf(["raw", "qcow2", "vmdk"], { default: "qcow2" }),
          fullClone: boolean({ default: true }),
          node: string({ maxLength: 255 }),
          storage: string({ maxLength: 255 }),
          templateID: integer({ minimum: 100, maximum: 999999999 }),
          templateName: string({ maxLength: 255 }),
        }),
        registry: object({
          format: oneOf(["qcow2", "raw", "vmdk", "vhd", "vhdx", "iso", "ova", "ovf"], { default: "qcow2" }),
          image: required(string({ pattern: "^[a-zA-Z0-9._/-]+:[a-zA-Z0-9._-]+$" })),
          pullSecretRef: reference(),
        }),
        vsphere: object({
          checksum: string(),
          checksumType: oneOf(["md5", "sha1", "sha256", "sha512"], { default: "sha256" }),
          contentLibrary: object({
            item: required(string({ maxLength: 255 })),
            library: required(string({ maxLength: 255 })),
            version: string(),
          }),
          ovaURL: string({ pattern: String.raw`^https?://.*\.(ova|ovf)$` }),
          providerRef: reference(),
          templateName: string({ maxLength: 255 }),
        }),
      }),
    ),
  }),
  status: object({
    availableOn: list(string()),
    checksum: string(),
    conditions: conditions(),
    format: oneOf(["qcow2", "raw", "vmdk", "vhd", "vhdx", "iso", "ova", "ovf"]),
    importProgress: object({
      eta: string(),
      percentage: integer({ format: "int32", minimum: 0, maximum: 100 }),
      startTime: dateTime(),
      totalBytes: integer({ format: "int64" }),
      transferRate: integer({ format: "int64" }),
      transferredBytes: integer({ format: "int64" }),
    }),
    lastPrepareTime: dateTime(),
    message: string(),
    observedGeneration: integer({ format: "int64" }),
    phase: oneOf(["Pending", "Downloading", "Importing", "Converting", "Optimizing", "Ready", "Failed"]),
    prepareTaskRef: string(),
    providerStatus: map(
      object({
        available: required(boolean()),
        id: string(),
        lastUpdated: dateTime(),
        message: string(),
        path: string(),
        size: intOrString({ pattern: patterns.quantity }),
      }),
    ),
    ready: boolean(),
    size: intOrString({ pattern: patterns.quantity }),
  }),
});

export type VMImage = ObjectOf<typeof vmImageKind>;
