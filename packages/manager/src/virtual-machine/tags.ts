import { ManagerError } from "../error.ts";

/** Tags that begin like this are the manager's word to the provider: whose a machine is, for one. */
const reserved = "almanac.dev/";

/**
 * `field` names the tags in the error.
 *
 * @throws ManagerError `invalid_spec` naming a tag that would pass for the manager's.
 */
export function requireUserTags(tags: readonly string[] = [], field: string): void {
  for (const [index, tag] of tags.entries()) {
    // A hypervisor may store tags trimmed, or in lower case.
    if (!tag.trim().toLowerCase().startsWith(reserved)) continue;
    throw new ManagerError(
      "invalid_spec",
      `${field}[${index}] is ${JSON.stringify(tag)}; tags that begin with ${reserved} are the manager's, choose another prefix`,
    );
  }
}
