import { createHash } from "node:crypto";
import type { ProviderType } from "@almanac/catalog";
import type { ImageSpecJson } from "@almanac/provider";
import type { VMImage } from "../api/vm-image.ts";

/** What a provider has to fetch. */
export interface Import {
  readonly spec: ImageSpecJson;
  readonly targetName: string;
  readonly storageHint: string;
  /** Of the source, for which it is made anew when it changes. */
  readonly digest: string;
  readonly checksum: string | undefined;
  readonly format: string | undefined;
}

/**
 * What an image means to a provider of a type: something to import, something that its source declares to be there (`present`), or
 * nothing at all (`none`). Pure.
 */
export function importOf(image: VMImage, type: ProviderType): Import | "present" | "none" {
  const { metadata, spec } = image;
  const { libvirt, vsphere, http } = spec.source;
  const own = { libvirt, vsphere, mock: libvirt ?? vsphere }[type];
  const part = own ?? http;
  if (part === undefined) return "none";
  const url = "url" in part ? part.url : "ovaURL" in part ? part.ovaURL : undefined;
  if (url === undefined) return "present";
  const { checksum, checksumType: _type, ...unchecked } = part;
  const isChecked = spec.prepare?.validateChecksum !== false && checksum !== undefined;
  const key = part === libvirt ? "libvirt" : part === vsphere ? "vsphere" : "http";
  const source: ImageSpecJson = { source: { [key]: isChecked ? part : unchecked } };
  const { storage, force } = spec.prepare ?? {};
  const storageHint = (type === "vsphere" ? storage?.vsphere?.datastore : storage?.libvirt?.storagePool) ?? "";
  // Forced: every specification is prepared anew.
  const shape = JSON.stringify([source, storageHint, ...(force === true ? [metadata.generation] : [])]);
  const digest = createHash("sha256").update(shape).digest("hex").slice(0, 16);
  return {
    spec: source,
    targetName: `${metadata.namespace}-${metadata.name}-${digest.slice(0, 8)}`,
    storageHint: storageHint || (libvirt?.storagePool ?? ""),
    digest,
    checksum: isChecked ? checksum : undefined,
    format: "format" in part ? part.format : undefined,
  };
}
