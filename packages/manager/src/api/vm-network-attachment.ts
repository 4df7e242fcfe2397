import {
  boolean,
  conditions,
  dateTime,
  integer,
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

export const vmNetworkAttachmentKind = defineKind({
  kind: "VMNetworkAttachment",
  plural: "vmnetworkattachments",
  shortNames: ["vmnet"],
  columns: [
    { name: "Ready", type: "boolean", jsonPath: ".status.ready" },
    { name: "Type", type: "string", jsonPath: ".spec.network.type" },
    { name: "Connected VMs", type: "integer", jsonPath: ".status.connectedVMs" },
    { name: "Providers", type: "string", jsonPath: ".status.availableOn[*]" },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  ],
  spec: object({
    ipAllocation: object({
      dhcpConfig: object({
        clientID: string({ maxLength: 255 }),
        hostname: string({ maxLength: 255 }),
        options: map(string(), { maxProperties: 20 }),
      }),
      dnsConfig: object({
        options: map(string(), { maxProperties: 10 }),
        searchDomains: list(string(), { maxItems: 10 }),
        servers: list(string(), { maxItems: 10 }),
      }),
      poolConfig: object({
        poolRef: required(reference()),
        preferredIP: string({ pattern: patterns.ipv4 }),
      }),
      staticConfig: object({
        address: required(
          string({
            pattern: String.raw`^((25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)/([0-9]|[1-2][0-9]|3[0-2])$`,
          }),
        ),
        gateway: string({ pattern: patterns.ipv4 }),
        routes: list(
          object({
            destination: required(
              string({
                pattern: String.raw`^((25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)/([0-9]|[1-2][0-9]|3[0-2])$`,
              }),
            ),
            gateway: required(string({ pattern: patterns.ipv4 })),
            metric: integer({ format: "int32", minimum: 0, maximum: 65535 }),
          }),
          { maxItems: 20 },
        ),
      }),
      type: string({ default: "DHCP" }),
    }),
    metadata: object({
      description: string({ maxLength: 1024 }),
      displayName: string({ maxLength: 255 }),
      environment: oneOf(["dev", "staging", "prod", "test", "qa", "uat"]),
      tags: map(string(), { maxProperties: 50 }),
    }),
    network: required(
      object({
        libvirt: object({
          bridge: object({
            delay: integer({ format: "int32", minimum: 0, maximum: 30 }),
            name: required(string({ maxLength: 15 })),
            stp: boolean({ default: false }),
          }),
          driver: object({
            eventIDX: boolean(),
            ioEventFD: boolean(),
            name: oneOf(["kvm", "vfio", "uio"]),
            queues: integer({ format: "int32", minimum: 1, maximum: 16 }),
            txMode: oneOf(["iothread", "timer"]),
          }),
          filterRef: object({
            filter: required(string({ maxLength: 255 })),
            parameters: map(string(), { maxProperties: 20 }),
          }),
          model: oneOf(["virtio", "e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci"], { default: "virtio" }),
          networkName: string({ maxLength: 255 }),
        }),
        mtu: integer({ format: "int32", minimum: 68, maximum: 9000, default: 1500 }),
        proxmox: object({
          bridge: string({ maxLength: 15, pattern: "^vmbr[0-9]+$" }),
          firewall: boolean({ default: false }),
          model: oneOf(["virtio", "e1000", "rtl8139", "vmxnet3"], { default: "virtio" }),
          mtu: integer({ format: "int32", minimum: 68, maximum: 65520 }),
          rateLimit: integer({ format: "int32", minimum: 1 }),
          vlanTag: integer({ format: "int32", minimum: 1, maximum: 4094 }),
        }),
        type: string({ default: "bridged" }),
        vsphere: object({
          adapterType: oneOf(["vmxnet3", "e1000", "e1000e"], { default: "vmxnet3" }),
          distributedSwitch: object({
            name: required(string({ maxLength: 255 })),
            portgroupType: oneOf(["ephemeral", "distributed"]),
            uuid: string(),
          }),
          pciSlotNumber: integer({ format: "int32", minimum: 32, maximum: 1024 }),
          portgroup: string({ maxLength: 255 }),
          security: object({
            allowForgedTransmits: boolean({ default: true }),
            allowMACChanges: boolean({ default: true }),
            allowPromiscuous: boolean({ default: false }),
          }),
          trafficShaping: object({
            averageBandwidth: integer({ format: "int64", minimum: 1000 }),
            burstSize: integer({ format: "int64", minimum: 1024 }),
            enabled: boolean({ default: false }),
            peakBandwidth: integer({ format: "int64", minimum: 1000 }),
          }),
          vlan: object({
            primaryVlanID: integer({ format: "int32", minimum: 1, maximum: 4094 }),
            secondaryVlanID: integer({ format: "int32", minimum: 1, maximum: 4094 }),
            trunkVlanIDs: list(integer({ format: "int32" }), { maxItems: 100 }),
            type: oneOf(["none", "vlan", "pvlan", "trunk"], { default: "none" }),
            vlanID: integer({ format: "int32", minimum: 1, maximum: 4094 }),
          }),
        }),
      }),
    ),
    qos: object({
      dscp: integer({ format: "int32", minimum: 0, maximum: 63 }),
      egressLimit: integer({ format: "int64", minimum: 1000 }),
      ingressLimit: integer({ format: "int64", minimum: 1000 }),
      priority: integer({ format: "int32", minimum: 0, maximum: 7 }),
    }),
    security: object({
      encryption: object({
        enabled: boolean({ default: false }),
        keyRef: reference(),
        protocol: oneOf(["ipsec", "wireguard", "openvpn"]),
      }),
      firewall: object({
        defaultPolicy: oneOf(["ACCEPT", "DROP", "REJECT"], { default: "ACCEPT" }),
        enabled: boolean({ default: false }),
        rules: list(
          object({
            action: required(oneOf(["ACCEPT", "DROP", "REJECT"])),
            destinationCIDR: string(),
            direction: required(oneOf(["in", "out", "inout"])),
            name: required(string({ maxLength: 255 })),
            ports: object({
              end: integer({ format: "int32", minimum: 1, maximum: 65535 }),
              start: required(integer({ format: "int32", minimum: 1, maximum: 65535 })),
            }),
            priority: integer({ format: "int32", minimum: 1, maximum: 1000 }),
            protocol: oneOf(["tcp", "udp", "icmp", "all"]),
            sourceCIDR: string(),
          }),
          { maxItems: 100 },
        ),
      }),
      isolation: object({
        allowedNetworks: list(string(), { maxItems: 50 }),
        deniedNetworks: list(string(), { maxItems: 50 }),
        mode: oneOf(["none", "strict", "custom"]),
      }),
    }),
  }),
  status: object({
    availableOn: list(string()),
    conditions: conditions(),
    connectedVMs: integer({ format: "int32" }),
    ipAllocations: list(
      object({
        allocatedAt: dateTime(),
        ip: required(string()),
        leaseExpiry: dateTime(),
        mac: string(),
        vm: required(string()),
      }),
    ),
    message: string(),
    observedGeneration: integer({ format: "int64" }),
    phase: oneOf(["Pending", "Configuring", "Ready", "Failed"]),
    providerStatus: map(
      object({
        available: required(boolean()),
        id: string(),
        lastUpdated: dateTime(),
        message: string(),
        state: string(),
      }),
    ),
    ready: boolean(),
  }),
});

export type VMNetworkAttachment = ObjectOf<typeof vmNetworkAttachmentKind>;
