import { describe, expect, it } from "vitest";
import type { VMImage } from "../api/vm-image.ts";
import { importOf } from "./source.ts";
import type { Import } from "./source.ts";

function image(source: object, prepare: object = {}, generation = 1): VMImage {
  return { metadata: { name: "it", namespace: "default", generation }, spec: { source, prepare } } as VMImage;
}

const url = "https://images.example/it.img";
const libvirt = { url, format: "qcow2", checksum: "abc", checksumType: "sha256" };

describe("importOf", () => {
  it.each([
    ["a template", { vsphere: { templateName: "golden" } }, ["none", "present", "present"]],
    ["a path", { libvirt: { path: "/images/it" } }, ["present", "none", "present"]],
    ["a library", { vsphere: { contentLibrary: { library: "l", item: "i" } } }, ["none", "present", "present"]],
    ["a registry", { registry: { image: "it:1" } }, ["none", "none", "none"]],
  ] as [string, object, string[]][])("has nothing to fetch for %s", (_what, source, expected) => {
    expect((["libvirt", "vsphere", "mock"] as const).map((type) => importOf(image(source), type))).toEqual(expected);
  });

  it("sends the part of the source that a provider understands", () => {
    const source = { libvirt, vsphere: { ovaURL: "https://images.example/it.ova" }, http: { url } };
    const parts = (["libvirt", "vsphere", "mock"] as const).map((type) =>
      Object.keys((importOf(image(source), type) as Import).spec.source ?? {}),
    );
    expect(parts).toEqual([["libvirt"], ["vsphere"], ["libvirt"]]);
    expect((importOf(image({ http: { url } }), "vsphere") as Import).spec).toEqual({ source: { http: { url } } });
  });

  it("leaves the checksum out when it is not to be looked at", () => {
    const checked = importOf(image({ libvirt }), "libvirt") as Import;
    const unchecked = importOf(image({ libvirt }, { validateChecksum: false }), "libvirt") as Import;
    expect([checked.checksum, unchecked.checksum]).toEqual(["abc", undefined]);
    expect(JSON.stringify(unchecked.spec)).not.toContain("abc");
  });

  it("names another image when the source, the place or, with force, anything changes", () => {
    const name = (candidate: VMImage) => (importOf(candidate, "libvirt") as Import).targetName;
    const storage = { libvirt: { storagePool: "fast" } };
    const names = [
      image({ libvirt }),
      image({ libvirt: { ...libvirt, url: `${url}2` } }),
      image({ libvirt }, { storage }),
      image({ libvirt }, { force: true }, 1),
      image({ libvirt }, { force: true }, 2),
    ].map(name);
    expect(new Set(names).size).toBe(5);
    expect(name(image({ libvirt }, {}, 9))).toBe(names[0]);
    expect((importOf(image({ libvirt }, { storage }), "libvirt") as Import).storageHint).toBe("fast");
  });
});
