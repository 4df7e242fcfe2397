import type { ProviderType } from "@almanac/catalog";
import type { Provider } from "../api/provider.ts";
import type { ManagerContext } from "../context.ts";
import { ManagerError } from "../error.ts";
import type { ProviderHandle } from "../provider/pool.ts";
import { isServing, supportedType } from "../provider/supported.ts";
import { NotYet } from "./not-yet.ts";
import { forceDeleteAnnotation } from "./session.ts";

/** A Provider that can be asked now. */
export interface Peer {
  readonly provider: Provider;
  readonly handle: ProviderHandle;
  readonly type: ProviderType;
  readonly name: string;
}

/** @throws NotYet when the Provider is to be deleted: it keeps what it has, and nothing new is made there. */
export function requireStaying({ metadata: { namespace, name, deletionTimestamp } }: Provider): void {
  if (deletionTimestamp === undefined) return;
  throw new NotYet("ProviderDeleting", `Provider ${namespace}/${name} is being deleted; nothing new is made there`);
}

/**
 * The Provider `namespace/name`, ready to be asked.
 *
 * @throws ManagerError `dependency_not_found` or `unsupported_type`; NotYet while it is not healthy.
 */
export function servingPeer(
  { informers, pool }: Pick<ManagerContext, "informers" | "pool">,
  key: string,
  deleting = false,
): Peer {
  const [namespace, name = ""] = key.split("/");
  const provider = informers.providers.get(namespace, name);
  if (provider === undefined) {
    const remedy = deleting ? `; create it, or annotate ${forceDeleteAnnotation}: "true" to give up what it holds` : "";
    throw new ManagerError("dependency_not_found", `Provider ${key} does not exist${remedy}`);
  }
  const type = supportedType(provider);
  if (!isServing(provider)) throw new NotYet("ProviderNotReady", `Provider ${name} is not healthy`);
  return { provider, handle: pool.get(provider), type, name };
}
