import type { Schema } from "./schema.ts";

/** API group and version of every kind here. */
export const group = "infra.virtrigaud.io";
export const version = "v1beta1";

/** A column of `kubectl get`. */
interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean" | "date";
  readonly jsonPath: string;
}

/** A custom resource: its names, its columns and the schemas of `spec` and `status`. */
export interface Kind<Spec, Status> {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly columns: readonly Column[];
  readonly spec: Schema<Spec>;
  readonly status: Schema<Status>;
}

/** The object that a kind describes, as it travels over the API. */
export type ObjectOf<K> =
  K extends Kind<infer Spec, infer Status>
    ? { apiVersion: string; kind: string; metadata: ObjectMeta; spec: Spec; status?: Status }
    : never;

/** The fields of `metadata` that reconcilers read or write. */
export interface ObjectMeta {
  name: string;
  namespace: string;
  uid: string;
  resourceVersion: string;
  generation: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[];
}

export function defineKind<Spec, Status>(kind: Kind<Spec, Status>): Kind<Spec, Status> {
  return kind;
}

/** The CustomResourceDefinition (`apiextensions.k8s.io/v1`) of a kind: namespaced, one served and stored version, status subresource. */
export function toCustomResourceDefinition(kind: Kind<unknown, unknown>): CustomResourceDefinition {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${group}` },
    spec: {
      group,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        shortNames: kind.shortNames,
      },
      scope: "Namespaced",
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: kind.columns,
          schema: {
            openAPIV3Schema: {
              type: "object",
              required: ["spec"],
              properties: {
                apiVersion: { type: "string" },
                kind: { type: "string" },
                metadata: { type: "object" },
                spec: kind.spec.json,
                status: kind.status.json,
              },
            },
          },
        },
      ],
    },
  };
}

/** What `toCustomResourceDefinition` gives; only the parts that callers look into are typed. */
export interface CustomResourceDefinition {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}
