import type { Kind } from "./kind.ts";
import { at, isObject, listAt, metaOf, textAt, withMeta } from "../object.ts";
import { ageColumn, column, nameColumn } from "../table/columns.ts";
import { defineBuiltin } from "./builtin.ts";
import { list, object, open, string } from "./schema-dsl.ts";

/** Namespaces that exist from the start. */
export const initialNamespaces = ["default", "kube-node-lease", "kube-public", "kube-system"] as const;

/** Namespaces that may not be deleted. */
export const protectedNamespaces: ReadonlySet<string> = new Set(["default", "kube-public", "kube-system"]);

export const namespaceKind: Kind = defineBuiltin({
  kind: "Namespace",
  plural: "namespaces",
  shortNames: ["ns"],
  namespaced: false,
  nameRule: "label",
  hasStatus: true,
  properties: {
    spec: object("The behaviour of the namespace.", {
      finalizers: list("Values that must be empty before the namespace is removed from storage.", { type: "string" }),
    }),
    status: object("The current state of the namespace.", {
      phase: string("Active or Terminating."),
      conditions: list("Why a namespace is still terminating.", open("One condition."), ["type"]),
    }),
  },
  columns: [nameColumn, column("Status", "string", (namespace) => textAt(namespace, "status", "phase")), ageColumn],
  selectable: { "status.phase": (namespace) => textAt(namespace, "status", "phase") },
  prepare(next) {
    const name = metaOf(next).name;
    return name === undefined
      ? next
      : withMeta(next, { labels: { ...metaOf(next).labels, "kubernetes.io/metadata.name": name } });
  },
  assign(next, previous) {
    if (previous === undefined) {
      return {
        ...next,
        spec: { finalizers: [...new Set([...listAt(next, "spec", "finalizers"), "kubernetes"])] },
        status: { phase: "Active" },
      };
    }
    // Only the finalize subresource, which is the server's own affair here, changes them.
    const status = at(next, "status");
    return {
      ...next,
      spec: { finalizers: [...listAt(previous, "spec", "finalizers")] },
      status: { phase: "Active", ...(isObject(status) ? status : {}) },
    };
  },
});
