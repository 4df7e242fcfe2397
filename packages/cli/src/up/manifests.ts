import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "@almanac/core";
import { KubeError } from "@almanac/kube";
import type { KubeClient, KubeObject, ResourceDefinition } from "@almanac/kube";
import { parseAllDocuments } from "yaml";
import { CliError } from "../error.ts";

/** An object out of a manifest, with the two fields that say what it is. */
export interface Manifest extends KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
}

/** Reads every `*.yaml` of a folder, in the order of their names. Errors name the file and the document. */
export function readManifests(directory: string): Manifest[] {
  const files = listFolder(directory)
    .filter((file) => /\.ya?ml$/.test(file))
    .sort();
  return files.flatMap((file) => {
    const path = join(directory, file);
    // As kubectl reads it: an unquoted On is a boolean there, and must not be a text here.
    return parseAllDocuments(readFileSync(path, "utf8"), { version: "1.1" }).flatMap((document, index) => {
      const error = document.errors[0];
      if (error) throw new CliError("usage", `${path}, document ${index + 1}: ${error.message}`);
      const object = document.toJS() as Partial<Manifest> | null;
      if (object === null) return [];
      if (!object.apiVersion || !object.kind || !object.metadata?.name) {
        throw new CliError("usage", `${path}, document ${index + 1}: apiVersion, kind and metadata.name are required`);
      }
      return [object as Manifest];
    });
  });
}

function listFolder(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(
      "usage",
      `--manifests: cannot read the folder ${directory} (${code}); give a folder with *.yaml files`,
      {
        cause: error,
      },
    );
  }
}

/** Applies objects in order, server-side, as field manager `almanac-up`; a kind that is being established is waited for. */
export async function applyManifests(
  kube: KubeClient,
  manifests: readonly Manifest[],
  signal: AbortSignal,
): Promise<void> {
  const known = new Map<string, ResourceDefinition>();
  for (const manifest of manifests) {
    const definition = await discover(kube, manifest, known, signal);
    await kube
      .resource(definition)
      .patch(manifest.metadata, manifest, { type: "apply", force: true, fieldManager: "almanac-up", signal });
  }
}

interface ApiResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

async function discover(
  kube: KubeClient,
  { apiVersion, kind }: Manifest,
  known: Map<string, ResourceDefinition>,
  signal: AbortSignal,
): Promise<ResourceDefinition> {
  const id = `${apiVersion}/${kind}`;
  const seen = known.get(id);
  if (seen !== undefined) return seen;
  const path = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const [version = "", group = ""] = apiVersion.split("/").reverse();
  // A definition that was just applied takes a moment until it is served.
  for (let attempt = 0; attempt < 100; attempt++) {
    const list = await kube.request<ApiResourceList>({ method: "GET", path, signal }).catch((error: unknown) => {
      if (error instanceof KubeError && error.code === "not_found") return undefined;
      throw error;
    });
    const found = list?.resources.find((resource) => resource.kind === kind && !resource.name.includes("/"));
    if (found !== undefined) {
      const definition = { group, version, kind, plural: found.name, namespaced: found.namespaced };
      known.set(id, definition);
      return definition;
    }
    await sleep(50, { signal });
  }
  throw new CliError("failed", `the API server does not serve ${kind} of ${apiVersion}`);
}
