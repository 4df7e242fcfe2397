import { providerTypes } from "@almanac/catalog";
import type { ProviderType } from "@almanac/catalog";
import type { Provider } from "../api/provider.ts";
import type { VMImage } from "../api/vm-image.ts";
import { providerKey } from "../provider/names.ts";
import { readImageJournal } from "./journal.ts";
import type { Prepared } from "./journal.ts";
import { importOf } from "./source.ts";

/** How an image stands with a provider. */
export type Standing =
  /** The provider is given the source itself. */
  | { readonly state: "as-is" }
  | { readonly state: "prepared"; readonly prepared: Prepared }
  /** A machine has to wait. */
  | { readonly state: "missing" };

/** Whether a machine of that Provider can be made from the image. Pure. */
export function standingOf(image: VMImage, provider: Provider, type: ProviderType): Standing {
  if (image.spec.prepare === undefined) return { state: "as-is" };
  const wanted = importOf(image, type);
  if (typeof wanted === "string") return { state: "as-is" };
  if (provider.status?.reportedCapabilities?.supportsImageImport === false) return { state: "as-is" };
  const prepared = readImageJournal(image).copies?.[providerKey(provider)]?.prepared;
  return prepared?.digest === wanted.digest ? { state: "prepared", prepared } : { state: "missing" };
}

/** The image's status says of the Provider what is still true. Pure. */
export function isSettledOn(image: VMImage, provider: Provider): boolean {
  const type = providerTypes.values.find((known) => known === provider.spec.type);
  if (type === undefined) return true;
  const { namespace, name } = provider.metadata;
  const entry = image.status?.providerStatus?.[namespace === image.metadata.namespace ? name : `${namespace}/${name}`];
  return entry !== undefined && standingOf(image, provider, type).state !== "missing";
}
