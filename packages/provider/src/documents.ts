/**
 * The JSON documents that travel in string fields of the contract, under the keys VirtRigaud's manager writes. Every key is optional;
 * keys that are not listed here are kept.
 */
import type { ProviderMethod } from "@almanac/catalog";
import { anything, boolean, decodeJson, list, map, object, string, whole, type JsonReader } from "./json.ts";

/** class_json of CreateVM. */
export interface VmClassJson {
  readonly CPU?: number;
  readonly MemoryMiB?: number;
  readonly Firmware?: string;
  readonly DiskDefaults?: { readonly Type?: string; readonly SizeGiB?: number };
  readonly GuestToolsPolicy?: string;
  readonly ExtraConfig?: Readonly<Record<string, string>>;
  readonly PerformanceProfile?: {
    readonly LatencySensitivity?: string;
    readonly CPUHotAddEnabled?: boolean;
    readonly MemoryHotAddEnabled?: boolean;
    readonly VirtualizationBasedSecurity?: boolean;
    readonly NestedVirtualization?: boolean;
    readonly HyperThreadingPolicy?: string;
  };
  readonly SecurityProfile?: {
    readonly SecureBoot?: boolean;
    readonly TPMEnabled?: boolean;
    readonly TPMVersion?: string;
    readonly VTDEnabled?: boolean;
    readonly EncryptionEnabled?: boolean;
    readonly KeyProvider?: string;
    readonly RequireEncryption?: boolean;
  };
  readonly ResourceLimits?: {
    readonly CPULimit?: number;
    readonly CPUReservation?: number;
    readonly MemoryLimitMiB?: number;
    readonly MemoryReservationMiB?: number;
    readonly CPUShares?: number;
  };
}

/** image_json of CreateVM. */
export interface VmImageJson {
  readonly TemplateName?: string;
  readonly Path?: string;
  readonly URL?: string;
  readonly Format?: string;
  readonly Checksum?: string;
  readonly ChecksumType?: string;
}

/** One element of networks_json. */
export interface NetworkJson {
  readonly Name?: string;
  readonly Portgroup?: string;
  readonly NetworkName?: string;
  readonly Bridge?: string;
  readonly VLAN?: number;
  readonly Model?: string;
  readonly MacAddress?: string;
  readonly PCISlotNumber?: number;
  readonly IPPolicy?: string;
  readonly StaticIP?: string;
  readonly Prefix?: number;
  readonly Gateway?: string;
  readonly DNS?: readonly string[];
}

/** One element of disks_json. */
export interface DiskJson {
  readonly SizeGiB?: number;
  readonly Type?: string;
  readonly Name?: string;
}

/** placement_json of CreateVM. */
export interface PlacementJson {
  readonly Datastore?: string;
  readonly StoragePod?: string;
  readonly Cluster?: string;
  readonly Folder?: string;
  readonly Host?: string;
}

/** desired_json of ReconfigureVM: the whole create request. */
export interface DesiredVmJson {
  readonly Name?: string;
  readonly Class?: VmClassJson;
  readonly Image?: VmImageJson;
  readonly Networks?: readonly NetworkJson[];
  readonly Disks?: readonly DiskJson[];
  readonly UserData?: { readonly CloudInitData?: string; readonly Type?: string };
  readonly MetaData?: { readonly MetaDataYAML?: string };
  readonly Placement?: PlacementJson;
  readonly Tags?: readonly string[];
}

/** image_json of PrepareImage: the spec of a VMImage, its sources by hypervisor type. */
export interface ImageSpecJson {
  readonly source?: Readonly<Record<string, unknown>>;
}

/** class_json of CloneVM: the spec of a VMClass. `memory` is a Kubernetes quantity. */
export interface CloneClassJson {
  readonly cpu?: number;
  readonly memory?: string;
}

/** placement_json of CloneVM: a reference. */
export interface CloneResourceJson {
  readonly name?: string;
}

/** customize_json of CloneVM: the customization of a VMClone. Its tags carry the owner, as those of CreateVM do. */
export interface CustomizeJson {
  readonly hostname?: string;
  readonly tags?: readonly string[];
}

/** storage_options_json of ExportDisk and ImportDisk. */
export interface StorageOptionsJson {
  readonly backend?: string;
  readonly bucket?: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly prefix?: string;
  readonly usePathStyle?: boolean;
  readonly server?: string;
  readonly export?: string;
  readonly path?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** The parsed documents of CreateVM. */
export interface CreateDocuments {
  readonly class: VmClassJson;
  readonly image: VmImageJson;
  readonly networks: readonly NetworkJson[];
  readonly disks: readonly DiskJson[];
  readonly placement: PlacementJson;
}

/** The parsed documents of CloneVM. */
export interface CloneDocuments {
  readonly class: CloneClassJson;
  readonly placement: CloneResourceJson;
  readonly customize: CustomizeJson;
}

interface Documents {
  readonly CreateVM: CreateDocuments;
  readonly ReconfigureVM: DesiredVmJson;
  readonly CloneVM: CloneDocuments;
  readonly PrepareImage: ImageSpecJson;
  readonly ExportDisk: StorageOptionsJson;
  readonly ImportDisk: StorageOptionsJson;
}

/** What the JSON fields of a method's request say, parsed; undefined for methods that have none. */
export type DocumentsOf<M extends ProviderMethod> = M extends keyof Documents ? Documents[M] : undefined;

const vmClass = object<VmClassJson>({
  CPU: whole,
  MemoryMiB: whole,
  Firmware: string,
  DiskDefaults: object({ Type: string, SizeGiB: whole }),
  GuestToolsPolicy: string,
  ExtraConfig: map(string),
  PerformanceProfile: object({
    LatencySensitivity: string,
    CPUHotAddEnabled: boolean,
    MemoryHotAddEnabled: boolean,
    VirtualizationBasedSecurity: boolean,
    NestedVirtualization: boolean,
    HyperThreadingPolicy: string,
  }),
  SecurityProfile: object({
    SecureBoot: boolean,
    TPMEnabled: boolean,
    TPMVersion: string,
    VTDEnabled: boolean,
    EncryptionEnabled: boolean,
    KeyProvider: string,
    RequireEncryption: boolean,
  }),
  ResourceLimits: object({
    CPULimit: whole,
    CPUReservation: whole,
    MemoryLimitMiB: whole,
    MemoryReservationMiB: whole,
    CPUShares: whole,
  }),
});

const vmImage = object<VmImageJson>({
  TemplateName: string,
  Path: string,
  URL: string,
  Format: string,
  Checksum: string,
  ChecksumType: string,
});

const networks = list(
  object<NetworkJson>({
    Name: string,
    Portgroup: string,
    NetworkName: string,
    Bridge: string,
    VLAN: whole,
    Model: string,
    MacAddress: string,
    PCISlotNumber: whole,
    IPPolicy: string,
    StaticIP: string,
    Prefix: whole,
    Gateway: string,
    DNS: list(string),
  }),
);

const disks = list(object<DiskJson>({ SizeGiB: whole, Type: string, Name: string }));

const placement = object<PlacementJson>({
  Datastore: string,
  StoragePod: string,
  Cluster: string,
  Folder: string,
  Host: string,
});

const desiredVm = object<DesiredVmJson>({
  Name: string,
  Class: vmClass,
  Image: vmImage,
  Networks: networks,
  Disks: disks,
  UserData: object({ CloudInitData: string, Type: string }),
  MetaData: object({ MetaDataYAML: string }),
  Placement: placement,
  Tags: list(string),
});

const imageSpec = object<ImageSpecJson>({ source: map(anything) });
const cloneClass = object<CloneClassJson>({ cpu: whole, memory: string });
const cloneReference = object<CloneResourceJson>({ name: string });
const customize = object<CustomizeJson>({ hostname: string, tags: list(string) });

const storageOptions = object<StorageOptionsJson>({
  backend: string,
  bucket: string,
  endpoint: string,
  region: string,
  prefix: string,
  usePathStyle: boolean,
  server: string,
  export: string,
  path: string,
  uid: whole,
  gid: whole,
});

interface StorageRequest {
  readonly storageOptionsJson: string;
}

/** Requests that carry documents, as their messages name the fields. */
interface DocumentRequests {
  readonly CreateVM: {
    readonly classJson: string;
    readonly imageJson: string;
    readonly networksJson: string;
    readonly disksJson: string;
    readonly placementJson: string;
  };
  readonly ReconfigureVM: { readonly desiredJson: string };
  readonly CloneVM: { readonly classJson: string; readonly placementJson: string; readonly customizeJson: string };
  readonly PrepareImage: { readonly imageJson: string };
  readonly ExportDisk: StorageRequest;
  readonly ImportDisk: StorageRequest;
}

type Decoders = { readonly [M in keyof Documents]: (request: DocumentRequests[M]) => Documents[M] };

function decodeStorage(request: StorageRequest): StorageOptionsJson {
  return decodeJson(request.storageOptionsJson, "storage_options_json", storageOptions, {});
}

const decoders: Decoders = {
  CreateVM: (request) => ({
    class: decodeJson(request.classJson, "class_json", vmClass, {}),
    image: decodeJson(request.imageJson, "image_json", vmImage, {}),
    networks: decodeJson(request.networksJson, "networks_json", networks, []),
    disks: decodeJson(request.disksJson, "disks_json", disks, []),
    placement: decodeJson(request.placementJson, "placement_json", placement, {}),
  }),
  ReconfigureVM: (request) => decodeJson(request.desiredJson, "desired_json", desiredVm, {}),
  CloneVM: (request) => ({
    class: decodeJson(request.classJson, "class_json", cloneClass, {}),
    placement: decodeJson(request.placementJson, "placement_json", cloneReference, {}),
    customize: decodeJson(request.customizeJson, "customize_json", customize, {}),
  }),
  PrepareImage: (request) => decodeJson(request.imageJson, "image_json", imageSpec, {}),
  ExportDisk: decodeStorage,
  ImportDisk: decodeStorage,
};

/**
 * Parses the documents of a request message.
 *
 * @throws ProviderError INVALID_ARGUMENT naming the key, e.g. `class_json.CPU: expected a number, got "four"`.
 */
export function decodeDocuments(method: ProviderMethod, request: unknown): unknown {
  const decode = (decoders as Partial<Record<ProviderMethod, JsonReader<unknown> | ((request: never) => unknown)>>)[
    method
  ];
  return decode === undefined ? undefined : (decode as (request: unknown) => unknown)(request);
}

/** The JSON fields of a CreateVM request. What is left out is written as VirtRigaud's manager does: `null`, for the placement nothing. */
export function encodeCreateDocuments(documents: Partial<CreateDocuments>): DocumentRequests["CreateVM"] {
  return {
    classJson: JSON.stringify(documents.class ?? null),
    imageJson: JSON.stringify(documents.image ?? null),
    networksJson: JSON.stringify(documents.networks ?? null),
    disksJson: JSON.stringify(documents.disks ?? null),
    placementJson: documents.placement === undefined ? "" : JSON.stringify(documents.placement),
  };
}

/** The JSON field of a ReconfigureVM request. */
export function encodeDesiredVm(desired: DesiredVmJson): DocumentRequests["ReconfigureVM"] {
  return { desiredJson: JSON.stringify(desired) };
}

/** The JSON fields of a CloneVM request; what is left out is an empty string. */
export function encodeCloneDocuments(documents: Partial<CloneDocuments>): DocumentRequests["CloneVM"] {
  const text = (value: object | undefined): string => (value === undefined ? "" : JSON.stringify(value));
  return {
    classJson: text(documents.class),
    placementJson: text(documents.placement),
    customizeJson: text(documents.customize),
  };
}
