import type { JsonObject } from "../schema/index.ts";
import { boolean, list, object, string, stringMap, time } from "../kinds/schema-dsl.ts";

const prefix = "io.k8s.apimachinery.pkg.apis.meta.v1";

export function metaName(
  kind: "ObjectMeta" | "ListMeta" | "Status" | "DeleteOptions" | "Patch" | "OwnerReference" | "ManagedFieldsEntry",
): string {
  return `${prefix}.${kind}`;
}

function reference(kind: Parameters<typeof metaName>[0]): JsonObject {
  return { $ref: `#/components/schemas/${metaName(kind)}` };
}

function long(description: string): JsonObject {
  return { type: "integer", format: "int64", description };
}

/** The types of meta/v1 that the documents refer to. */
export const metaComponents: JsonObject = {
  [metaName("ObjectMeta")]: object("Metadata that all objects have.", {
    name: string("Name, unique within a namespace; cannot be changed."),
    generateName: string("Prefix of a name that the server makes unique."),
    namespace: string("The namespace; cannot be changed."),
    labels: stringMap("Key-value pairs to select objects by."),
    annotations: stringMap("Key-value pairs that tools keep with the object."),
    uid: string("Unique in time and space; set by the server."),
    resourceVersion: string("The version of the object, for concurrency control; opaque."),
    generation: long("Counts changes of the wanted state."),
    creationTimestamp: time("When the object was created."),
    deletionTimestamp: time("When the object's deletion was asked for."),
    deletionGracePeriodSeconds: long("Seconds until a graceful deletion ends."),
    finalizers: {
      ...list("What must be done before the object is removed.", { type: "string" }),
      "x-kubernetes-patch-strategy": "merge",
      "x-kubernetes-list-type": "set",
    },
    ownerReferences: {
      ...list("Objects that this one depends on.", { allOf: [reference("OwnerReference")], default: {} }, ["uid"]),
    },
    managedFields: list("Who manages which fields.", { allOf: [reference("ManagedFieldsEntry")], default: {} }),
    selfLink: string("Not used any more."),
  }),
  [metaName("OwnerReference")]: {
    ...object("An owner in the same namespace or without one.", {
      apiVersion: string("API version of the owner."),
      kind: string("Kind of the owner."),
      name: string("Name of the owner."),
      uid: string("UID of the owner."),
      controller: boolean("Whether the owner manages the object."),
      blockOwnerDeletion: boolean("Whether a foreground deletion of the owner waits for this object."),
    }),
    required: ["apiVersion", "kind", "name", "uid"],
    "x-kubernetes-map-type": "atomic",
  },
  [metaName("ManagedFieldsEntry")]: object("The fields that one manager owns.", {
    manager: string("The manager."),
    operation: string("Apply or Update."),
    apiVersion: string("The version that the fields are named in."),
    time: time("When the entry changed."),
    fieldsType: string("FieldsV1."),
    fieldsV1: { type: "object", description: "The fields." },
    subresource: string("The subresource that was written."),
  }),
  [metaName("ListMeta")]: object("Metadata of lists.", {
    resourceVersion: string("The version of the list."),
    continue: string("Where the next page begins."),
    remainingItemCount: long("Objects on later pages."),
    selfLink: string("Not used any more."),
  }),
  [metaName("DeleteOptions")]: object("How to delete.", {
    apiVersion: string("Version."),
    kind: string("Kind."),
    gracePeriodSeconds: long("Seconds to wait."),
    propagationPolicy: string("Background, Foreground or Orphan."),
    dryRun: list("With All nothing is stored.", { type: "string" }),
    preconditions: object("What must hold.", { uid: string("The UID."), resourceVersion: string("The version.") }),
  }),
  [metaName("Status")]: object("The outcome of a request without an object.", {
    apiVersion: string("Version."),
    kind: string("Kind."),
    status: string("Success or Failure."),
    message: string("For people."),
    reason: string("For machines."),
    code: { type: "integer", format: "int32", description: "HTTP status." },
    details: { type: "object", description: "What it is about." },
  }),
  [metaName("Patch")]: { type: "object", description: "A patch, in the form that its content type says." },
};
