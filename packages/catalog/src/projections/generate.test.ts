import { readFileSync } from "node:fs";
import { format } from "prettier";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { Catalog } from "../catalog.ts";
import { generateCatalogFiles } from "./generate.ts";
import { liqo } from "../liqo.ts";
import { stack } from "../stack.ts";
import { virtrigaud } from "../virtrigaud.ts";

const root = new URL("../../../../", import.meta.url);
const files = generateCatalogFiles();
const catalogs: readonly Catalog[] = [virtrigaud, liqo, stack];
const families = catalogs.flatMap((catalog) => Object.values(catalog.families));

interface Group {
  readonly id: string;
  readonly type: string;
  readonly metric_name?: string;
  readonly instrument?: string;
  readonly unit?: string;
  readonly brief: string;
  readonly stability?: string;
  readonly attributes?: readonly Attribute[];
}

interface Attribute {
  readonly id?: string;
  readonly ref?: string;
  readonly type?: string | { readonly members: readonly { readonly id: string; readonly value: unknown }[] };
}

function groupsOf(name: string): readonly Group[] {
  const file = files.find(({ path }) => path === `otel/registry/${name}.yaml`);
  return (parse(file?.text ?? "groups: []") as { groups: Group[] }).groups;
}

describe("generateCatalogFiles", () => {
  it.each(files)("$path is committed as generated", ({ path, text }) => {
    expect(readFileSync(new URL(path, root), "utf8")).toBe(text);
  });

  it.each(files)("$path is left alone by the formatter", async ({ path, text }) => {
    expect(await format(text, { filepath: path, printWidth: 120 })).toBe(text);
  });
});

describe("the Markdown reference", () => {
  const text = files.find(({ path }) => path.endsWith("catalog.md"))?.text ?? "";

  it("has a section for every family, and a link to it", () => {
    for (const { name, help } of families) {
      expect(text).toContain(`\n### ${name}\n\n${help}\n`);
      expect(text).toContain(`](#${name})`);
    }
  });
});

describe("the Weaver registry", () => {
  const attributes = groupsOf("attributes")[0]?.attributes ?? [];
  const metrics = ["virtrigaud", "liqo", "stack"].flatMap(groupsOf);

  it("has one metric group per family with what the format requires", () => {
    expect(metrics.map((group) => group.metric_name)).toEqual(families.map((family) => family.name));
    for (const group of metrics) {
      expect(group).toMatchObject({
        type: "metric",
        id: `metric.${group.metric_name}`,
        stability: "development",
        unit: "",
      });
      expect(["counter", "updowncounter", "gauge", "histogram"]).toContain(group.instrument);
    }
  });

  it("refers to defined attributes only, and defines each once", () => {
    const defined = attributes.map((attribute) => attribute.id);
    expect(new Set(defined).size).toBe(defined.length);
    const referred = new Set(metrics.flatMap((group) => group.attributes ?? []).map((attribute) => attribute.ref));
    expect([...referred].sort()).toEqual([...defined].sort());
  });

  it("keeps label values strings, and member ids apart", () => {
    for (const { id, type } of attributes) {
      if (typeof type !== "object") continue;
      expect(type.members.map((member) => typeof member.value)).toEqual(type.members.map(() => "string"));
      expect([id, new Set(type.members.map((member) => member.id)).size]).toEqual([id, type.members.length]);
    }
  });

  it("gives a key with several closed sets the values of all, and one with an open family any", () => {
    const members = (key: string): unknown[] => {
      const type = attributes.find(({ id }) => id === key)?.type;
      return typeof type === "object" ? type.members.map((member) => member.value) : [type];
    };
    expect(members("reason")).toEqual(expect.arrayContaining(["TLSError", "unknown_key", "other"]));
    expect(members("method")).toEqual(["string"]);
  });

  it("carries the version of the packages", () => {
    const manifest = parse(files.find(({ path }) => path.endsWith("manifest.yaml"))?.text ?? "") as {
      semconv_version: string;
    };
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect(manifest.semconv_version).toBe(version);
  });
});
