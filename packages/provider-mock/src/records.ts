import type { ProviderMethod } from "@almanac/catalog";

/** Power states of the contract. */
export type PowerState = "On" | "Off" | "Suspended";

/** The change that gave a record its present value. */
export interface LastChange {
  readonly id: string;
  readonly method: ProviderMethod | "Adopt" | "Suspend";
}

export interface DiskRecord {
  readonly id: string;
  readonly name: string;
  readonly sizeGiB: number;
  readonly type: string;
  /** What its bytes are made from: equal contents, equal bytes. */
  readonly content: string;
}

export interface NetworkRecord {
  readonly name: string;
  readonly mac: string;
  readonly ip: string;
}

/** What of a VM a snapshot brings back. */
interface Shape {
  readonly cpu: number;
  readonly memoryMiB: number;
  readonly disks: readonly DiskRecord[];
  readonly networks: readonly NetworkRecord[];
}

export interface SnapshotRecord extends Shape {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** Taken with the memory of a running VM: reverting to it leaves the VM on. */
  readonly memory: boolean;
  readonly createdMs: number;
}

export interface VmRecord extends Shape {
  readonly kind: "vm";
  readonly id: string;
  readonly name: string;
  /** UID of the object it belongs to. */
  readonly owner?: string;
  readonly powerState: PowerState;
  /** Wall time of the last power-on, and how long after it the first IP address appears. */
  readonly poweredOnMs: number;
  readonly ipDelayMs: number;
  readonly hardwareVersion: number;
  readonly firmware: string;
  readonly image: string;
  readonly folder: string;
  readonly tags: readonly string[];
  readonly snapshots: readonly SnapshotRecord[];
  /** The VM whose disks a linked clone builds on. */
  readonly linkedTo?: string;
  /** Id of the snapshot it was put back to, as long as nothing has happened to it since. */
  readonly revertedTo?: string;
  readonly createdMs: number;
  readonly lastChange: LastChange;
  /** Deleted, but the journal may not say so yet. */
  readonly deleted?: true;
}

interface ImageRecord {
  readonly kind: "image";
  readonly id: string;
  readonly name: string;
  readonly path: string;
  /** Digest of the spec it was prepared from. */
  readonly spec: string;
  readonly lastChange: LastChange;
}

interface ExportRecord {
  readonly kind: "export";
  readonly id: string;
  readonly url: string;
  readonly format: string;
  readonly sizeGiB: number;
  readonly content: string;
  readonly checksum: string;
  readonly lastChange: LastChange;
}

interface ImportRecord {
  readonly kind: "import";
  readonly disk: DiskRecord;
  readonly format: string;
  readonly path: string;
  readonly checksum: string;
  readonly lastChange: LastChange;
}

/** Everything a mock hypervisor keeps. */
export type MockRecord = VmRecord | ImageRecord | ExportRecord | ImportRecord;

/** Key of a record in the state file, and name of the lock a change to it holds. */
export function keyOf(record: MockRecord): string {
  switch (record.kind) {
    case "vm":
      return vmKey(record.id);
    case "image":
      return imageKey(record.name);
    case "export":
      return exportKey(record.url);
    case "import":
      return importKey(record.disk.id);
  }
}

export const vmKey = (id: string): string => `vm/${id}`;
export const imageKey = (name: string): string => `image/${name}`;
export const exportKey = (url: string): string => `export/${url}`;
export const importKey = (diskId: string): string => `import/${diskId}`;
