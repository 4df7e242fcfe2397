import { providerTypes } from "@almanac/catalog";
import type { ProviderType } from "@almanac/catalog";
import type { Provider } from "../api/provider.ts";
import { ManagerError } from "../error.ts";

/**
 * The type of a Provider that the manager can work with.
 *
 * @throws ManagerError `unsupported_type` for a type that the definition allows and nobody has built.
 */
export function supportedType({ metadata, spec }: Provider): ProviderType {
  const known = providerTypes.values.find((type) => type === spec.type);
  if (known !== undefined) return known;
  throw new ManagerError(
    "unsupported_type",
    `Provider ${metadata.namespace}/${metadata.name} is of type ${spec.type}, which is not built; supported are ` +
      providerTypes.values.join(", "),
  );
}

/** Requests may be sent to it: it was found healthy, or nobody wants it checked. */
export function isServing({ spec, status }: Provider): boolean {
  return status?.healthy === true || spec.healthCheck?.enabled === false;
}
