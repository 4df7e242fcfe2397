import { describe, expect, it } from "vitest";
import type { Provider } from "../api/provider.ts";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import type { VMClass } from "../api/vm-class.ts";
import type { VMImage } from "../api/vm-image.ts";
import type { VMNetworkAttachment } from "../api/vm-network-attachment.ts";
import { ignoredMachineFields, ignoredProviderFields } from "../ignored-fields.ts";
import { desiredMachine } from "./desired.ts";
import type { References } from "./desired.ts";
import { createRequest, powerRequest, powerStateOf, reconfigureRequest } from "./requests.ts";

interface Kinds {
  Provider: Provider;
  VirtualMachine: VirtualMachine;
  VMClass: VMClass;
  VMImage: VMImage;
  VMNetworkAttachment: VMNetworkAttachment;
}

function make<K extends keyof Kinds>(kind: K, name: string, spec: Kinds[K]["spec"]): Kinds[K] {
  const metadata = {
    name,
    namespace: "default",
    uid: "u-1",
    resourceVersion: "1",
    generation: 1,
    creationTimestamp: "",
  };
  return { apiVersion: "infra.virtrigaud.io/v1beta1", kind, metadata, spec } as Kinds[K];
}

const provider = make("Provider", "lab", {
  type: "vsphere",
  endpoint: "https://vcenter.example/sdk",
  credentialSecretRef: { name: "root" },
  defaults: { datastore: "ssd", cluster: "west" },
  runtime: { image: "provider:1" },
});
const small = make("VMClass", "small", {
  cpu: 2,
  memory: "2Gi",
  firmware: "UEFI",
  diskDefaults: { type: "thin", size: "40Gi" },
  extraConfig: { b: "2", a: "1" },
  performanceProfile: { cpuHotAddEnabled: true },
  securityProfile: { secureBoot: true, encryptionPolicy: { enabled: true } },
  resourceLimits: { cpuLimit: 2000, memoryReservation: "1Gi" },
});
const linux = make("VMImage", "linux", {
  source: {
    vsphere: { templateName: "linux-template", checksumType: "sha256" },
    libvirt: { url: "https://images.example/linux.img", format: "qcow2", checksum: "abc", checksumType: "sha256" },
  },
});
const net = make("VMNetworkAttachment", "net", {
  network: {
    type: "bridged",
    vsphere: { portgroup: "VM Network", vlan: { vlanID: 7 } },
    libvirt: { networkName: "default" },
  },
});

function references(changes: Partial<References> = {}): References {
  return { provider, providerType: "vsphere", vmClass: small, image: linux, networks: [], ...changes };
}

function machine(spec: Partial<VirtualMachine["spec"]> = {}): VirtualMachine {
  return make("VirtualMachine", "web", { providerRef: { name: "lab" }, classRef: { name: "small" }, ...spec });
}

describe("desiredMachine", () => {
  it("writes a machine under the keys of the contract", () => {
    const vm = machine({
      networks: [
        { name: "eth0", networkRef: { name: "net" }, ipAddress: "10.0.0.5", prefix: 24, dns: "10.0.0.1" },
        { name: "eth1" },
      ],
      disks: [{ name: "data", sizeGiB: 20, type: "thin" }],
      placement: { cluster: "east", host: "h1" },
      tags: ["blue"],
    });
    const desired = desiredMachine(vm, references({ networks: [net, undefined] }));
    const request = createRequest(desired, { text: "#cloud-config", type: "cloud-init", metaData: "" });
    expect(JSON.parse(request.classJson ?? "")).toEqual({
      CPU: 2,
      MemoryMiB: 2048,
      Firmware: "UEFI",
      DiskDefaults: { Type: "thin", SizeGiB: 40 },
      ExtraConfig: { a: "1", b: "2" },
      PerformanceProfile: { CPUHotAddEnabled: true },
      SecurityProfile: { SecureBoot: true, EncryptionEnabled: true },
      ResourceLimits: { CPULimit: 2000, MemoryReservationMiB: 1024 },
    });
    expect(JSON.parse(request.imageJson ?? "")).toEqual({ TemplateName: "linux-template" });
    expect(JSON.parse(request.networksJson ?? "")).toEqual([
      {
        Name: "eth0",
        Portgroup: "VM Network",
        VLAN: 7,
        IPPolicy: "static",
        StaticIP: "10.0.0.5",
        Prefix: 24,
        DNS: ["10.0.0.1"],
      },
      { Name: "eth1", IPPolicy: "dhcp" },
    ]);
    expect(JSON.parse(request.disksJson ?? "")).toEqual([{ SizeGiB: 20, Type: "thin", Name: "data" }]);
    expect(JSON.parse(request.placementJson ?? "")).toEqual({ Datastore: "ssd", Cluster: "east", Host: "h1" });
    // The first owner counts.
    expect(request.tags).toEqual(["almanac.dev/owner=u-1", "blue"]);
    expect(new TextDecoder().decode(request.userData)).toBe("#cloud-config");
  });

  it("leaves out what is absent as VirtRigaud's manager does", () => {
    const bare = { ...provider, spec: { ...provider.spec, defaults: {} } };
    const desired = desiredMachine(machine(), references({ provider: bare, image: undefined }));
    const request = createRequest(desired, { text: "", type: "cloud-init", metaData: "" });
    expect([request.imageJson, request.networksJson, request.disksJson, request.placementJson]).toEqual([
      "null",
      "null",
      "null",
      "",
    ]);
  });

  it("takes the image source of the provider's type and refuses an image without one", () => {
    expect(desiredMachine(machine(), references({ providerType: "libvirt" })).image).toEqual({
      URL: "https://images.example/linux.img",
      Format: "qcow2",
      Checksum: "abc",
      ChecksumType: "sha256",
    });
    const image = make("VMImage", "windows", { source: { libvirt: { path: "/x" } } });
    expect(() => desiredMachine(machine(), references({ image }))).toThrow(
      /^\[invalid_spec\] VMImage default\/windows .*spec\.source\.vsphere/,
    );
  });

  it("lets the machine's own size win and says what it cannot read", () => {
    const vm = machine({ resources: { cpu: 8, memoryMiB: 512 } });
    expect(desiredMachine(vm, references()).class).toMatchObject({ CPU: 8, MemoryMiB: 512 });
    const vmClass = make("VMClass", "odd", { cpu: 1, memory: "lots" });
    expect(() => desiredMachine(machine(), references({ vmClass }))).toThrow(
      /VMClass default\/odd spec\.memory is "lots"/,
    );
    const slow = machine({ lifecycle: { gracefulShutdownTimeout: "soon" } });
    expect(() => desiredMachine(slow, references())).toThrow(/spec\.lifecycle\.gracefulShutdownTimeout is "soon"/);
  });

  it("has a digest of the shape alone, in whatever order the server gives a map", () => {
    const { digest } = desiredMachine(machine(), references());
    const turned = make("VMClass", "small", { ...small.spec, extraConfig: { a: "1", b: "2" } });
    expect(desiredMachine(machine({ powerState: "Off", tags: ["x"] }), references({ vmClass: turned })).digest).toBe(
      digest,
    );
    expect(desiredMachine(machine({ resources: { cpu: 3 } }), references()).digest).not.toBe(digest);
    expect(desiredMachine(machine({ disks: [{ name: "d", sizeGiB: 1 }] }), references()).digest).not.toBe(digest);
  });

  it.each(["almanac.dev/owner=u-2", " Almanac.dev/x", "almanac.dev/"])(
    "refuses the tag %j, and not for one that goes",
    (tag) => {
      const vm = machine({ tags: ["blue", tag] });
      expect(() => desiredMachine(vm, references())).toThrow(
        `[invalid_spec] spec.tags[1] is ${JSON.stringify(tag)}; tags that begin with almanac.dev/ are the manager's`,
      );
      vm.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
      expect(desiredMachine(vm, references()).tags[0]).toBe("almanac.dev/owner=u-1");
    },
  );

  it("asks for an adoption only when the object does", () => {
    const vm = machine();
    vm.metadata.annotations = { "virtrigaud.io/adopt": "true" };
    expect(desiredMachine(vm, references()).tags).toContain("virtrigaud.io/adopt=true");
  });
});

describe("reconfigureRequest", () => {
  it("carries the whole machine", () => {
    const desired = desiredMachine(machine(), references());
    const request = reconfigureRequest("vm-1", desired, { text: "#!", type: "cloud-init", metaData: "m" });
    expect(request.id).toBe("vm-1");
    expect(JSON.parse(request.desiredJson ?? "")).toMatchObject({
      Name: "web",
      Class: { CPU: 2 },
      Image: { TemplateName: "linux-template" },
      Networks: [],
      Disks: [],
      UserData: { CloudInitData: "#!", Type: "cloud-init" },
      MetaData: { MetaDataYAML: "m" },
      Placement: { Datastore: "ssd" },
    });
  });
});

describe("powerRequest", () => {
  it("gives a graceful shutdown at least a second", () => {
    expect(powerRequest("vm-1", "ShutdownGraceful", 300).gracefulTimeoutSeconds).toBe(1);
    expect(powerRequest("vm-1", "Off", 60_000).gracefulTimeoutSeconds).toBe(0);
  });
});

describe("powerStateOf", () => {
  it.each([
    ["On", "On"],
    ["poweredOff", "Off"],
    ["suspended", "Suspended"],
    ["melting", undefined],
  ])("reads %s", (text, state) => {
    expect(powerStateOf(text)).toBe(state);
  });
});

describe("ignoredMachineFields", () => {
  it("names what nothing acts on, here and in the objects named, and no default", () => {
    const vm = machine({
      disks: [
        { name: "a", sizeGiB: 1, expandPolicy: "Offline" },
        { name: "b", sizeGiB: 1, storageClass: "fast" },
      ],
      lifecycle: { gracefulShutdownTimeout: "10s", preStop: { exec: { command: ["x"] } } },
    });
    const vmClass = make("VMClass", "fast", { cpu: 1, memory: "1Gi", diskDefaults: { iops: 500 } });
    const networks = [make("VMNetworkAttachment", "shaped", { network: {}, qos: { priority: 1 } })];
    expect(ignoredMachineFields(vm, { vmClass, networks, image: linux })).toEqual([
      "spec.lifecycle.preStop",
      "spec.disks[1].storageClass",
      "VMClass fast spec.diskDefaults.iops",
      "VMNetworkAttachment shaped spec.qos",
    ]);
    expect(ignoredMachineFields(machine(), references())).toEqual([]);
  });
});

describe("ignoredProviderFields", () => {
  it("names what nothing acts on", () => {
    expect(ignoredProviderFields(provider)).toEqual([]);
    const odd = make("Provider", "odd", {
      ...provider.spec,
      credentialSecretRef: { name: "root", namespace: "elsewhere" },
      insecureSkipVerify: true,
    });
    expect(ignoredProviderFields(odd)).toEqual(["spec.credentialSecretRef.namespace", "spec.insecureSkipVerify"]);
  });
});
