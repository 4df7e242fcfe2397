import type { FieldError, JsonObject } from "../schema/index.ts";
import type { Kind } from "./kind.ts";
import { at, metaOf, sameJson, textAt } from "../object.ts";
import { invalidValue, required } from "../schema/index.ts";
import { age } from "../table/age.ts";
import { column } from "../table/columns.ts";
import { defineBuiltin } from "./builtin.ts";
import { integer, object, string, time } from "./schema-dsl.ts";

const reference = (description: string): JsonObject =>
  object(description, {
    apiVersion: string("Version of the object."),
    kind: string("Kind of the object."),
    namespace: string("Namespace of the object."),
    name: string("Name of the object."),
    uid: string("UID of the object."),
    resourceVersion: string("The version of the object that the event is about."),
    fieldPath: string("The part of the object that the event is about."),
  });

const series = object("The event repeated.", {
  count: integer("How often."),
  lastObservedTime: time("When last."),
});

const source = object("The component that reports.", { component: string("Its name."), host: string("Its node.") });

function about(field: string): (event: JsonObject) => string {
  return (event) => textAt(event, "involvedObject", field);
}

function lastSeen(event: JsonObject): string {
  return (
    textAt(event, "series", "lastObservedTime") ||
    textAt(event, "lastTimestamp") ||
    textAt(event, "eventTime") ||
    textAt(event, "metadata", "creationTimestamp")
  );
}

function occurrences(event: JsonObject): number {
  const counted = at(event, "series", "count") ?? event.count;
  return typeof counted === "number" && counted > 0 ? counted : 1;
}

const columns = [
  column("Last Seen", "string", (event, nowMs) => age(lastSeen(event), nowMs)),
  column("Type", "string", (event) => textAt(event, "type")),
  column("Reason", "string", (event) => textAt(event, "reason")),
  column(
    "Object",
    "string",
    (event) => `${textAt(event, "involvedObject", "kind").toLowerCase()}/${textAt(event, "involvedObject", "name")}`,
  ),
  column("Subobject", "string", (event) => textAt(event, "involvedObject", "fieldPath"), { priority: 1 }),
  column(
    "Source",
    "string",
    (event) =>
      [textAt(event, "source", "component") || textAt(event, "reportingComponent"), textAt(event, "source", "host")]
        .filter(Boolean)
        .join(", "),
    { priority: 1 },
  ),
  column("Message", "string", (event) => textAt(event, "message").trim()),
  column(
    "First Seen",
    "string",
    (event, nowMs) => age(textAt(event, "firstTimestamp") || textAt(event, "eventTime"), nowMs),
    { priority: 1 },
  ),
  column("Count", "string", (event) => String(occurrences(event)), { priority: 1 }),
  column("Name", "string", (event) => textAt(event, "metadata", "name"), { priority: 1 }),
];

// As long as the real server keeps them by default.
const hourMs = 3_600_000;

const shared = {
  kind: "Event",
  plural: "events",
  shortNames: ["ev"],
  collection: "events",
  createOnUpdate: true,
  ttlMs: hourMs,
} as const;

export const eventKind: Kind = defineBuiltin({
  ...shared,
  properties: {
    involvedObject: reference("The object that the event is about."),
    reason: string("A short machine-readable reason."),
    message: string("What happened, for people."),
    source,
    firstTimestamp: time("When it was first seen."),
    lastTimestamp: time("When it was last seen."),
    count: integer("How often it was seen."),
    type: string("Normal or Warning."),
    eventTime: time("When it was first observed."),
    series,
    action: string("What was done or failed."),
    related: reference("A second object."),
    reportingComponent: string("The controller that reports, e.g. `example.com/manager`."),
    reportingInstance: string("The instance of the controller."),
  },
  columns,
  selectable: {
    "involvedObject.kind": about("kind"),
    "involvedObject.namespace": about("namespace"),
    "involvedObject.name": about("name"),
    "involvedObject.uid": about("uid"),
    "involvedObject.apiVersion": about("apiVersion"),
    "involvedObject.resourceVersion": about("resourceVersion"),
    "involvedObject.fieldPath": about("fieldPath"),
    reason: (event) => textAt(event, "reason"),
    reportingComponent: (event) => textAt(event, "reportingComponent"),
    source: (event) => textAt(event, "source", "component") || textAt(event, "reportingComponent"),
    type: (event) => textAt(event, "type"),
  },
  validate(next) {
    const namespace = metaOf(next).namespace ?? "";
    const involved = textAt(next, "involvedObject", "namespace");
    // Events about cluster-scoped objects live in the default namespace.
    if (involved === namespace || (involved === "" && namespace === "default")) return [];
    return [invalidValue("involvedObject.namespace", involved, "does not match event.namespace")];
  },
});

/** events.k8s.io names the same fields otherwise; stored is the core form. */
const renamed: readonly (readonly [core: string, events: string])[] = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["source", "deprecatedSource"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
  ["reportingComponent", "reportingController"],
];
const toEvents = new Map(renamed);
const toCore = new Map(renamed.map(([core, events]) => [events, core]));

function rename(object: JsonObject, names: ReadonlyMap<string, string>, apiVersion: string): JsonObject {
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(object)) result[names.get(key) ?? key] = value;
  return { ...result, apiVersion };
}

const longestNote = 1024;
const fixedFields = [
  "involvedObject",
  "reason",
  "action",
  "message",
  "type",
  "reportingComponent",
  "reportingInstance",
];

/** What events.k8s.io asks beyond the core form, in whose field names it complains. */
function validateStrictly(next: JsonObject, previous: JsonObject | undefined): FieldError[] {
  if (previous !== undefined) {
    return fixedFields
      .filter((field) => !sameJson(next[field], previous[field]))
      .map((field) => invalidValue(field, next[field] ?? null, "field is immutable"));
  }
  const errors: FieldError[] = [];
  if (textAt(next, "eventTime") === "") errors.push(required("eventTime"));
  else {
    const controller = textAt(next, "reportingComponent");
    if (controller === "") errors.push(required("reportingController"));
    if (textAt(next, "reportingInstance") === "") errors.push(required("reportingInstance"));
    if (textAt(next, "action") === "") errors.push(required("action"));
    if (textAt(next, "reason") === "") errors.push(required("reason"));
    if (textAt(next, "message").length > longestNote)
      errors.push(invalidValue("message", "", `can have at most ${longestNote} characters`));
  }
  const type = textAt(next, "type");
  if (type !== "Normal" && type !== "Warning") errors.push(invalidValue("type", "", `has invalid value: ${type}`));
  return errors;
}

export const eventsKind: Kind = defineBuiltin({
  ...shared,
  group: "events.k8s.io",
  properties: {
    eventTime: time("When it was first observed."),
    series,
    reportingController: string("The controller that reports, e.g. `example.com/manager`."),
    reportingInstance: string("The instance of the controller."),
    action: string("What was done or failed."),
    reason: string("A short machine-readable reason."),
    regarding: reference("The object that the event is about."),
    related: reference("A second object."),
    note: string("What happened, for people."),
    type: string("Normal or Warning."),
    deprecatedSource: source,
    deprecatedFirstTimestamp: time("As in core events."),
    deprecatedLastTimestamp: time("As in core events."),
    deprecatedCount: integer("As in core events."),
  },
  columns: columns.map((own) => ({
    ...own,
    cell: (event: JsonObject, nowMs: number) => own.cell(rename(event, toCore, "v1"), nowMs),
  })),
  selectable: {
    "regarding.kind": about("kind"),
    "regarding.namespace": about("namespace"),
    "regarding.name": about("name"),
    "regarding.uid": about("uid"),
    "regarding.apiVersion": about("apiVersion"),
    "regarding.resourceVersion": about("resourceVersion"),
    "regarding.fieldPath": about("fieldPath"),
    reason: (event) => textAt(event, "reason"),
    reportingController: (event) => textAt(event, "reportingComponent"),
    type: (event) => textAt(event, "type"),
  },
  validate: (next, previous) => [...(eventKind.validate?.(next, previous) ?? []), ...validateStrictly(next, previous)],
  fromStored: (object) => rename(object, toEvents, "events.k8s.io/v1"),
  toStored: (object) => rename(object, toCore, "v1"),
});
