import type { Json, JsonObject } from "../schema/index.ts";
import type { Kind } from "./kind.ts";
import { at, isObject, listAt, metaOf, sameJson, textAt, timestamp } from "../object.ts";
import { column, nameColumn } from "../table/columns.ts";
import { defineBuiltin } from "./builtin.ts";
import { validateDefinition } from "./definition-validation.ts";
import { boolean, integer, list, object, open, string, time } from "./schema-dsl.ts";

export const definitionGroup = "apiextensions.k8s.io";
export const definitionCollection = `customresourcedefinitions.${definitionGroup}`;
/** Keeps a definition until its objects are gone. */
export const cleanupFinalizer = "customresourcecleanup.apiextensions.k8s.io";

const names = object("The names of the resource.", {
  plural: string("Name in paths."),
  singular: string("Name of one; default is the kind in lower case."),
  kind: string("Kind of the objects."),
  listKind: string("Kind of lists; default is the kind with List."),
  shortNames: list("Short names for the command line.", { type: "string" }),
  categories: list("Groups of resources, e.g. `all`.", { type: "string" }),
});

const version = object("One version.", {
  name: string("E.g. v1beta1."),
  served: boolean("Whether clients can use it."),
  storage: boolean("Whether objects are stored in it; true for exactly one."),
  deprecated: boolean("Whether using it warns."),
  deprecationWarning: string("The warning."),
  schema: object("The schema of the objects.", { openAPIV3Schema: open("A structural schema.") }),
  subresources: object("The subresources.", {
    status: open("Splits writes of status and spec."),
    scale: object("Serves a scale.", {
      specReplicasPath: string("Path of the wanted number."),
      statusReplicasPath: string("Path of the actual number."),
      labelSelectorPath: string("Path of the selector."),
    }),
  }),
  additionalPrinterColumns: list(
    "Columns of `kubectl get`.",
    object("One column.", {
      name: string("Heading."),
      type: string("string, integer, number, boolean or date."),
      format: string("OpenAPI format."),
      description: string("What it means."),
      priority: integer("0 is always shown."),
      jsonPath: string("Where the value is."),
    }),
  ),
  selectableFields: list(
    "Fields for field selectors.",
    object("One field.", { jsonPath: string("Where the value is.") }),
  ),
});

/** What the kind of definitions asks of the registry. */
export interface NameCheck {
  /** Which of a definition's names another definition of the group has, as a sentence; undefined when they are free. */
  conflict(definition: JsonObject): string | undefined;
}

/** CustomResourceDefinition. Its conditions are set in the write that creates it. */
export function createDefinitionKind(check: NameCheck): Kind {
  return defineBuiltin({
    group: definitionGroup,
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    namespaced: false,
    hasStatus: true,
    unconditionalUpdate: false,
    generation: (next, previous) => !sameJson(next.spec, previous.spec),
    properties: {
      spec: object("The definition as wanted.", {
        group: string("API group."),
        names,
        scope: string("Namespaced or Cluster."),
        versions: list("The versions.", version),
        conversion: object("How versions are converted.", {
          strategy: string("None: only apiVersion changes."),
          webhook: open("Not supported here."),
        }),
        preserveUnknownFields: boolean("Must be false."),
      }),
      status: object("The definition as it is.", {
        conditions: list(
          "Conditions.",
          object("One condition.", {
            type: string("Established, NamesAccepted, Terminating."),
            status: string("True, False or Unknown."),
            lastTransitionTime: time("When it last changed."),
            reason: string("Why, for machines."),
            message: string("Why, for people."),
            observedGeneration: integer("The generation that the condition is about.", { format: "int64" }),
          }),
          ["type"],
        ),
        acceptedNames: names,
        storedVersions: list("Versions in which objects may be stored.", { type: "string" }),
        observedGeneration: integer("The generation that the status is about.", { format: "int64" }),
      }),
    },
    columns: [nameColumn, { ...column("Created At", "date", (it) => textAt(it, "metadata", "creationTimestamp")) }],
    prepare: (next) => ({ ...next, spec: withDefaults(isObject(next.spec) ? next.spec : {}) }),
    assign: (next, previous, { nowMs }) => ({
      ...next,
      status: statusOf(next, previous, check.conflict(next), timestamp(nowMs)),
    }),
    validate: validateDefinition,
  });
}

function withDefaults(spec: JsonObject): JsonObject {
  const given = isObject(spec.names) ? spec.names : {};
  const kind = textAt(given, "kind");
  const { preserveUnknownFields: _, ...rest } = spec;
  return {
    ...rest,
    ...(spec.preserveUnknownFields === true ? { preserveUnknownFields: true } : {}),
    names: {
      ...given,
      singular: textAt(given, "singular") || kind.toLowerCase(),
      listKind: textAt(given, "listKind") || `${kind}List`,
    },
    conversion: spec.conversion ?? { strategy: "None" },
  };
}

function statusOf(
  next: JsonObject,
  previous: JsonObject | undefined,
  problem: string | undefined,
  now: string,
): JsonObject {
  const before = isObject(previous?.status) ? previous.status : {};
  const storage = listAt(next, "spec", "versions").find((one) => at(one, "storage") === true);
  const stored = new Set<Json>([
    ...listAt(before, "storedVersions"),
    ...(storage === undefined ? [] : [textAt(storage, "name")]),
  ]);
  const established = listAt(before, "conditions").some(
    (one) => textAt(one, "type") === "Established" && textAt(one, "status") === "True",
  );
  const accepted = problem === undefined;
  const given = isObject(next.status) && previous !== undefined ? next.status : {};
  let conditions = listAt(before, "conditions");
  conditions = withCondition(conditions, {
    type: "NamesAccepted",
    status: accepted ? "True" : "False",
    reason: accepted ? "NoConflicts" : "NamesConflict",
    message: accepted ? "no conflicts found" : problem,
    lastTransitionTime: now,
  });
  conditions = withCondition(conditions, {
    type: "Established",
    status: accepted || established ? "True" : "False",
    reason: accepted || established ? "InitialNamesAccepted" : "NotAccepted",
    message: accepted || established ? "the initial names have been accepted" : "not all names are accepted",
    lastTransitionTime: now,
  });
  return {
    ...given,
    conditions: [...conditions],
    acceptedNames: accepted ? (at(next, "spec", "names") ?? {}) : (before.acceptedNames ?? {}),
    storedVersions: [...stored],
  };
}

/** `conditions` with `condition` in the place of the one of its type; the transition time stays when the status does. */
export function withCondition(
  conditions: readonly Json[],
  condition: JsonObject & { lastTransitionTime: string },
): Json[] {
  const index = conditions.findIndex((one) => textAt(one, "type") === condition.type);
  const old = conditions[index];
  if (old === undefined) return [...conditions, condition];
  const since =
    at(old, "status") === condition.status ? (at(old, "lastTransitionTime") ?? null) : condition.lastTransitionTime;
  return conditions.with(index, { ...condition, lastTransitionTime: since });
}

/** True when the definition's objects are served. */
export function isEstablished(definition: JsonObject): boolean {
  return listAt(definition, "status", "conditions").some(
    (one) => textAt(one, "type") === "Established" && textAt(one, "status") === "True",
  );
}

/** True from the moment its deletion was asked for. */
export function isTerminating(definition: JsonObject): boolean {
  return metaOf(definition).deletionTimestamp !== undefined;
}
