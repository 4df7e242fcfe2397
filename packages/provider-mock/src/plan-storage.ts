import { ProviderError, type ImageSpecJson, type RequestOf } from "@almanac/provider";
import { diskBytes, sha256, type ExportFiles } from "./disk-content.ts";
import { busy, head, newId, noSuchVm, requireFeature, type Plan, type World } from "./planning.ts";
import { exportKey, imageKey, importKey, type DiskRecord, type VmRecord } from "./records.ts";

const formats = ["qcow2", "vmdk", "raw"];
const backends = ["pvc", "nfs", "s3"];
const schemes = ["pvc:", "nfs:", "s3:"];

/** What a mock offers for disks in motion. */
export const diskFormats: readonly string[] = formats;
export const storageBackends: readonly string[] = backends;

/** Bytes of so many GiB. */
export function bytesOf(sizeGiB: number): bigint {
  return BigInt(sizeGiB) << 30n;
}

/** What a disk really takes: a third of its size. */
export function usedBytesOf(sizeGiB: number): bigint {
  return bytesOf(sizeGiB) / 3n;
}

export interface ImagePlan extends Plan {
  readonly imageId: string;
  readonly path: string;
}

/** PrepareImage: idempotent by target name; without one the spec names the image. */
export function planImage(world: World, request: RequestOf<"prepareImage">, image: ImageSpecJson): ImagePlan {
  requireFeature(world, "imageImport", "the import of images");
  if (Object.keys(image.source ?? {}).length === 0) {
    throw new ProviderError(
      "INVALID_ARGUMENT",
      'image_json.source: expected a source such as {"libvirt":{"url":"…"}}, got none',
    );
  }
  const spec = sha256(JSON.stringify(image));
  const name = request.targetName || `image-${spec.slice(0, 16)}`;
  const pending = world.state.pending(imageKey(name));
  const underway = pending?.kind === "put" && pending.record.kind === "image" ? pending.record : undefined;
  const present = underway ?? world.state.record(imageKey(name), "image");
  if (present !== undefined) {
    if (present.spec !== spec) {
      throw new ProviderError("ALREADY_EXISTS", `an image named ${name} exists and was prepared from another source`);
    }
    return { imageId: present.id, path: present.path, ...(pending === undefined ? {} : { change: pending }) };
  }
  const change = head("PrepareImage", "image");
  const path = `[${request.storageHint || "mock"}] images/${name}.qcow2`;
  const record = { kind: "image" as const, id: newId("image"), name, path, spec, lastChange: change };
  return { imageId: record.id, path, change: { ...change, kind: "put", record } };
}

export interface ExportPlan extends Plan {
  readonly exportId: string;
  readonly sizeBytes: bigint;
  readonly checksum: string;
}

/** ExportDisk: an export to the same URL replaces what lies there. */
export function planExport(world: World, request: RequestOf<"exportDisk">): ExportPlan {
  requireFeature(world, "diskExport", "the export of disks");
  const url = request.destinationUrl;
  checkTransfer("destination_url", url, request.format, request.backendType);
  const { disk } = findDisk(world, request.vmId, request.diskId, request.snapshotId);
  const format = request.format || "qcow2";
  const wish = `export ${disk.content} ${format}`;
  const checksum = sha256(diskBytes(disk.content, format));
  const sizeBytes = usedBytesOf(disk.sizeGiB);
  const pending = world.state.pending(exportKey(url));
  if (pending !== undefined) {
    if (pending.wish !== wish || pending.kind !== "put" || pending.record.kind !== "export") throw busy(url, pending);
    return { exportId: pending.record.id, sizeBytes, checksum, change: pending };
  }
  const change = head("ExportDisk", wish);
  const { content, sizeGiB } = disk;
  const record = {
    kind: "export" as const,
    id: newId("export"),
    url,
    format,
    sizeGiB,
    content,
    checksum,
    lastChange: change,
  };
  return { exportId: record.id, sizeBytes, checksum, change: { ...change, kind: "put", record } };
}

export interface ImportPlan extends Plan {
  readonly diskId: string;
  readonly path: string;
  readonly sizeBytes: bigint;
  readonly checksum: string;
}

/** ImportDisk: idempotent by target name; the bytes are checked before anything is kept. */
export function planImport(world: World, request: RequestOf<"importDisk">, files: ExportFiles): ImportPlan {
  requireFeature(world, "diskImport", "the import of disks");
  const url = request.sourceUrl;
  checkTransfer("source_url", url, request.format, request.backendType);
  const source = world.state.record(exportKey(url), "export");
  if (source === undefined) throw new ProviderError("NOT_FOUND", `source_url: nothing lies at ${url}`);
  const checksum = files.checksum(url, source.checksum);
  if (request.verifyChecksum) {
    const expected = request.expectedChecksum || source.checksum;
    if (checksum !== expected) {
      throw new ProviderError(
        "INVALID_ARGUMENT",
        `expected_checksum: expected ${expected}, the bytes at ${url} have ${checksum}`,
      );
    }
  }
  const name = request.targetName || newId("import");
  const diskId = importedDiskId(name);
  const pending = world.state.pending(importKey(diskId));
  const underway = pending?.kind === "put" && pending.record.kind === "import" ? pending.record : undefined;
  const present = underway ?? world.state.record(importKey(diskId), "import");
  const sizeBytes = usedBytesOf(source.sizeGiB);
  if (present !== undefined) {
    if (present.checksum !== checksum) {
      throw new ProviderError("ALREADY_EXISTS", `a disk named ${name} exists and has other bytes`);
    }
    const { path } = present;
    return { diskId, path, sizeBytes, checksum, ...(pending === undefined ? {} : { change: pending }) };
  }
  const change = head("ImportDisk", "import");
  const disk: DiskRecord = { id: diskId, name, sizeGiB: source.sizeGiB, type: "thin", content: source.content };
  const format = request.format || source.format;
  const path = `[${request.storageHint || "mock"}] disks/${name}.${format}`;
  const record = { kind: "import" as const, disk, format, path, checksum, lastChange: change };
  return { diskId, path, sizeBytes, checksum, change: { ...change, kind: "put", record } };
}

// Derived from the name, so that a disk is found by either without an index.
function importedDiskId(name: string): string {
  return `disk-${sha256(name).slice(0, 16)}`;
}

/**
 * A disk of a VM, as it is or as a snapshot keeps it. No disk id means the first one.
 *
 * @throws ProviderError NOT_FOUND naming what is missing.
 */
export function findDisk(
  world: World,
  vmId: string,
  diskId: string,
  snapshotId: string,
): { vm: VmRecord; disk: DiskRecord } {
  const vm = world.state.vm(vmId);
  if (vm === undefined) throw noSuchVm(vmId);
  const snapshot = vm.snapshots.find(({ id }) => id === snapshotId);
  if (snapshotId !== "" && snapshot === undefined) {
    throw new ProviderError("NOT_FOUND", `${vm.name} has no snapshot ${snapshotId}`);
  }
  const disks = snapshot?.disks ?? vm.disks;
  const disk = diskId === "" ? disks[0] : disks.find(({ id, name }) => id === diskId || name === diskId);
  if (disk === undefined) throw new ProviderError("NOT_FOUND", `${vm.name} has no disk ${diskId}`);
  return { vm, disk };
}

function checkTransfer(field: string, url: string, format: string, backend: string): void {
  if (!URL.canParse(url) || !schemes.includes(new URL(url).protocol)) {
    throw new ProviderError(
      "INVALID_ARGUMENT",
      `${field}: expected pvc://NAME/PATH, s3://BUCKET/KEY or nfs://…, got ${JSON.stringify(url)}`,
    );
  }
  if (format !== "" && !formats.includes(format)) {
    throw new ProviderError(
      "INVALID_ARGUMENT",
      `format: expected ${formats.join(", ")}, got ${JSON.stringify(format)}`,
    );
  }
  if (backend !== "" && !backends.includes(backend)) {
    throw new ProviderError(
      "INVALID_ARGUMENT",
      `backend_type: expected ${backends.join(", ")}, got ${JSON.stringify(backend)}`,
    );
  }
}
