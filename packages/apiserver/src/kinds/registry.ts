import type { JsonObject } from "../schema/index.ts";
import type { Kind, KindVersion } from "./kind.ts";
import { at, listAt, sameJson, textAt } from "../object.ts";
import { configMapKind, secretKind } from "./config.ts";
import { byPriority, customKind } from "./custom.ts";
import { createDefinitionKind, definitionGroup, isEstablished, isTerminating } from "./definition.ts";
import { deploymentKind } from "./deployment.ts";
import { eventKind, eventsKind } from "./event.ts";
import { leaseKind } from "./lease.ts";
import { namespaceKind } from "./namespace.ts";
import { serviceKind } from "./service.ts";

/** A kind in one of its versions. */
export interface ServedKind {
  readonly kind: Kind;
  readonly version: KindVersion;
}

export interface ServedGroup {
  readonly group: string;
  /** Preferred first. */
  readonly versions: readonly string[];
}

/** What the server serves now: the built-in kinds, and those of the established definitions. */
export interface Registry {
  /** Counts up whenever the answer of any other method may have changed. */
  readonly generation: number;
  readonly kinds: readonly Kind[];
  /** Groups in order of discovery, the core group first. */
  readonly groups: readonly ServedGroup[];
  find(group: string, version: string, plural: string): ServedKind | undefined;
  /** By the names that owner references carry. */
  findKind(group: string, version: string, kind: string): ServedKind | undefined;
  byCollection(collection: string): Kind | undefined;
  /** Takes over a definition as stored: adds, changes or (undefined) removes its kind. */
  define(name: string, definition: JsonObject | undefined): void;
  /** Called with a kind that is served from now on, or in another way than before. */
  onDefined(listener: (kind: Kind) => void): void;
  /** Called with a kind that is no longer served. */
  onRemoved(listener: (kind: Kind) => void): void;
}

interface Definition {
  readonly object: JsonObject;
  readonly kind: Kind;
}

export function createRegistry(): Registry {
  const definitions = new Map<string, Definition>();
  const definedListeners: ((kind: Kind) => void)[] = [];
  const removedListeners: ((kind: Kind) => void)[] = [];
  const definitionKind = createDefinitionKind({ conflict });
  const builtins = [
    configMapKind,
    eventKind,
    namespaceKind,
    secretKind,
    serviceKind,
    deploymentKind,
    leaseKind,
    eventsKind,
    definitionKind,
  ];
  let generation = 1;
  let kinds: readonly Kind[] = builtins;
  let groups = groupsOf(kinds);

  function conflict(definition: JsonObject): string | undefined {
    const name = textAt(definition, "metadata", "name");
    const group = textAt(definition, "spec", "group");
    const names = at(definition, "spec", "names");
    const own = [textAt(names, "plural"), textAt(names, "singular"), ...listAt(names, "shortNames")];
    for (const [other, { kind }] of definitions) {
      if (other === name || kind.group !== group) continue;
      const taken = new Set<unknown>([kind.plural, kind.singular, ...kind.shortNames]);
      const found = own.find((one) => taken.has(one));
      if (found !== undefined) return `${JSON.stringify(found)} is already in use`;
      for (const field of [textAt(names, "kind"), textAt(names, "listKind")]) {
        if (field === kind.kind || field === kind.listKind) return `"${field}" is already in use`;
      }
    }
    return undefined;
  }

  function changed(): void {
    kinds = [
      ...builtins,
      ...[...definitions.values()].map(({ kind }) => kind).filter((kind) => kind.versions.length > 0),
    ];
    groups = groupsOf(kinds);
    generation++;
  }

  return {
    get generation() {
      return generation;
    },
    get kinds() {
      return kinds;
    },
    get groups() {
      return groups;
    },
    find(group, version, plural) {
      for (const kind of kinds) {
        if (kind.plural !== plural || kind.group !== group) continue;
        const served = kind.versions.find((one) => one.version === version);
        if (served !== undefined) return { kind, version: served };
      }
      return undefined;
    },
    findKind(group, version, name) {
      for (const kind of kinds) {
        if (kind.kind !== name || kind.group !== group) continue;
        const served = kind.versions.find((one) => one.version === version);
        if (served !== undefined) return { kind, version: served };
      }
      return undefined;
    },
    byCollection: (collection) => kinds.find((kind) => kind.collection === collection),
    define(name, definition) {
      const before = definitions.get(name);
      if (definition === undefined || !isEstablished(definition)) {
        if (before === undefined) return;
        definitions.delete(name);
        changed();
        for (const listener of removedListeners) listener(before.kind);
        return;
      }
      if (before !== undefined && sameService(before.object, definition)) return;
      const kind = customKind(definition);
      definitions.set(name, { object: definition, kind });
      changed();
      for (const listener of definedListeners) listener(kind);
    },
    onDefined: (listener) => void definedListeners.push(listener),
    onRemoved: (listener) => void removedListeners.push(listener),
  };
}

/** Whether two states of a definition serve the same: most writes of its status change nothing here. */
function sameService(left: JsonObject, right: JsonObject): boolean {
  return (
    sameJson(left.spec, right.spec) &&
    sameJson(at(left, "status", "acceptedNames"), at(right, "status", "acceptedNames")) &&
    isTerminating(left) === isTerminating(right)
  );
}

function groupsOf(kinds: readonly Kind[]): ServedGroup[] {
  const versions = new Map<string, Set<string>>();
  for (const kind of kinds) {
    let set = versions.get(kind.group);
    if (set === undefined) versions.set(kind.group, (set = new Set()));
    for (const { version } of kind.versions) set.add(version);
  }
  return [...versions]
    .map(([group, set]) => ({ group, versions: [...set].sort(byPriority) }))
    .sort((left, right) => order(left.group) - order(right.group) || (left.group < right.group ? -1 : 1));
}

// Built-in groups come first, as in the real server, so that their short names win.
const builtinOrder = ["", "apps", "events.k8s.io", definitionGroup, "coordination.k8s.io"];

function order(group: string): number {
  const index = builtinOrder.indexOf(group);
  return index < 0 ? builtinOrder.length : index;
}
