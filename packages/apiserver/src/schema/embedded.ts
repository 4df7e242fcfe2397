import type { FieldError } from "./field-error.ts";
import { invalid, required } from "./field-error.ts";
import type { Json, JsonObject } from "./json.ts";
import { getOwn, isObject } from "./json.ts";
import type { SchemaNode } from "./node.ts";
import { nodeOfAdditional } from "./node.ts";

/** Complaints about objects under x-kubernetes-embedded-resource that are no Kubernetes objects. */
export function checkEmbedded(value: Json, node: SchemaNode, path: string, errors: FieldError[]): void {
  if (Array.isArray(value)) {
    if (node.items === undefined) return;
    for (const [index, item] of value.entries()) checkEmbedded(item, node.items, `${path}[${index}]`, errors);
    return;
  }
  if (!isObject(value)) return;
  if (node.embeddedResource) checkResource(value, path, errors);
  const additional = nodeOfAdditional(node);
  for (const [name, member] of Object.entries(value)) {
    const property = node.properties.get(name);
    if (property !== undefined) checkEmbedded(member, property, path === "" ? name : `${path}.${name}`, errors);
    else if (additional !== undefined) checkEmbedded(member, additional, `${path}[${name}]`, errors);
  }
}

function checkResource(object: JsonObject, path: string, errors: FieldError[]): void {
  for (const name of ["apiVersion", "kind"]) {
    const value = getOwn(object, name);
    const field = `${path}.${name}`;
    if (value === undefined || value === "") errors.push(required(field));
    else if (typeof value !== "string") errors.push(invalid(field, value, "must be a string"));
    else if (name === "apiVersion" && value.split("/").length > 2) {
      errors.push(invalid(field, value, `unexpected GroupVersion string: ${value}`));
    } else if (name === "kind" && !/^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/i.test(value)) {
      const rule =
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
      errors.push(invalid(field, value, `may have mixed case, but should otherwise match: ${rule}`));
    }
  }
  const metadata = getOwn(object, "metadata");
  if (metadata !== undefined && metadata !== null && !isObject(metadata)) {
    const kind = Array.isArray(metadata) ? "array" : typeof metadata === "boolean" ? "bool" : typeof metadata;
    const detail = `json: cannot unmarshal ${kind} into Go value of type v1.ObjectMeta`;
    errors.push(invalid(`${path}.metadata`, metadata, detail));
  }
}
