import type { Kind, KindVersion } from "../kinds/kind.ts";
import type { Registry, ServedGroup } from "../kinds/registry.ts";
import type { JsonObject } from "../schema/index.ts";
import { groupVersion } from "../kinds/kind.ts";

const objectVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const subresourceVerbs = ["get", "patch", "update"];

/** `GET /api`. */
export function coreVersions(address: string): JsonObject {
  return {
    kind: "APIVersions",
    versions: ["v1"],
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: address }],
  };
}

/** `GET /apis`. */
export function groupList(registry: Registry): JsonObject {
  return {
    kind: "APIGroupList",
    apiVersion: "v1",
    groups: registry.groups.filter(({ group }) => group !== "").map(describeGroup),
  };
}

/** `GET /apis/<group>`; undefined when nobody serves it. */
export function oneGroup(registry: Registry, name: string): JsonObject | undefined {
  const found = registry.groups.find(({ group }) => group === name && group !== "");
  return found && { kind: "APIGroup", apiVersion: "v1", ...describeGroup(found) };
}

function describeGroup({ group, versions }: ServedGroup): JsonObject {
  const all = versions.map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions: all, preferredVersion: all[0] ?? {} };
}

/** `GET /api/v1` and `GET /apis/<group>/<version>`; undefined when nobody serves it. */
export function resourceList(registry: Registry, group: string, version: string): JsonObject | undefined {
  const resources = servedIn(registry, group, version).flatMap(([kind, served]) => {
    const name = { namespaced: kind.namespaced, kind: kind.kind };
    const main: JsonObject = {
      name: kind.plural,
      singularName: kind.singular,
      ...name,
      verbs: objectVerbs,
      ...shortcuts(kind),
    };
    const below = subresources(served).map(([subresource, scale]): JsonObject =>
      scale
        ? {
            name: `${kind.plural}/${subresource}`,
            singularName: "",
            namespaced: kind.namespaced,
            group: "autoscaling",
            version: "v1",
            kind: "Scale",
            verbs: subresourceVerbs,
          }
        : { name: `${kind.plural}/${subresource}`, singularName: "", ...name, verbs: subresourceVerbs },
    );
    return [main, ...below];
  });
  if (resources.length === 0) return undefined;
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: groupVersion({ group }, version), resources };
}

/** The aggregated form of both roots: `core` for /api, the others for /apis. */
export function aggregated(registry: Registry, core: boolean, version: string): JsonObject {
  const groups = registry.groups.filter(({ group }) => (group === "") === core);
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(({ group, versions }) => ({
      metadata: { ...(group === "" ? {} : { name: group }), creationTimestamp: null },
      versions: versions.map((one) => ({
        version: one,
        resources: servedIn(registry, group, one).map(([kind, served]) => aggregatedResource(kind, served)),
        freshness: "Current",
      })),
    })),
  };
}

function aggregatedResource(kind: Kind, served: KindVersion): JsonObject {
  const responseKind = { group: kind.group, version: served.version, kind: kind.kind };
  const below = subresources(served).map(([subresource, scale]) => ({
    subresource,
    responseKind: scale ? { group: "autoscaling", version: "v1", kind: "Scale" } : responseKind,
    verbs: subresourceVerbs,
  }));
  return {
    resource: kind.plural,
    responseKind,
    scope: kind.namespaced ? "Namespaced" : "Cluster",
    singularResource: kind.singular,
    verbs: objectVerbs,
    ...shortcuts(kind),
    ...(below.length === 0 ? {} : { subresources: below }),
  };
}

function shortcuts({ shortNames, categories }: Kind): JsonObject {
  return {
    ...(shortNames.length === 0 ? {} : { shortNames: [...shortNames] }),
    ...(categories.length === 0 ? {} : { categories: [...categories] }),
  };
}

function subresources({ hasStatus, scale }: KindVersion): [name: string, scale: boolean][] {
  return [
    ...(hasStatus ? [["status", false] as [string, boolean]] : []),
    ...(scale === undefined ? [] : [["scale", true] as [string, boolean]]),
  ];
}

/** The kinds of one group version, by name. */
export function servedIn({ kinds }: Registry, group: string, version: string): [Kind, KindVersion][] {
  return kinds
    .filter((kind) => kind.group === group)
    .flatMap((kind) =>
      kind.versions.filter((one) => one.version === version).map((one): [Kind, KindVersion] => [kind, one]),
    )
    .sort(([left], [right]) => (left.plural < right.plural ? -1 : 1));
}
