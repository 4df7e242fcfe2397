import { notAcceptable } from "../status.ts";

/** What an answer looks like. */
export interface Representation {
  readonly format: "json" | "yaml";
  /** A conversion that the client asked for, e.g. Table. */
  readonly as: { readonly kind: string; readonly group: string; readonly version: string } | undefined;
}

const convertible = new Set(["Table", "PartialObjectMetadata", "PartialObjectMetadataList"]);

/**
 * Picks the first entry of an Accept header that `offers` takes; conversions count only when they are offered. Throws a 406 when
 * there is none. No header means JSON.
 */
export function negotiate(
  accept: string | undefined,
  offers: (as: NonNullable<Representation["as"]>) => boolean,
): Representation {
  if (accept === undefined || accept.trim() === "") return { format: "json", as: undefined };
  for (const part of accept.split(",")) {
    const [type = "", ...parameters] = part.split(";").map((one) => one.trim());
    const format = formatOf(type.toLowerCase());
    if (format === undefined) continue;
    const values = new Map(
      parameters.map((parameter): [string, string] => {
        const equals = parameter.indexOf("=");
        return [parameter.slice(0, equals), parameter.slice(equals + 1)];
      }),
    );
    const kind = values.get("as");
    if (kind === undefined) return { format, as: undefined };
    const as = { kind, group: values.get("g") ?? "", version: values.get("v") ?? "" };
    if (offers(as)) return { format, as };
  }
  throw notAcceptable(["application/json", "application/yaml"]);
}

/** Conversions of resources: tables and metadata alone. */
export function isResourceConversion({ kind, group, version }: NonNullable<Representation["as"]>): boolean {
  return convertible.has(kind) && group === "meta.k8s.io" && (version === "v1" || version === "v1beta1");
}

function formatOf(type: string): Representation["format"] | undefined {
  if (type === "application/json" || type === "*/*" || type === "application/*") return "json";
  return type === "application/yaml" ? "yaml" : undefined;
}
