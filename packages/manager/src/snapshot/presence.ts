import { ProviderError } from "@almanac/provider";
import type { Peer } from "../operation/peer.ts";

/** Whether the machine has the snapshot; undefined when the provider cannot tell. Rejects with ProviderError for all else. */
export async function hasSnapshot(
  peer: Peer,
  vmId: string,
  snapshotId: string,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  try {
    const { snapshots } = await peer.handle.call("getDiskInfo", { vmId }, { signal });
    return snapshots.includes(snapshotId);
  } catch (thrown) {
    if (!(thrown instanceof ProviderError)) throw thrown;
    if (thrown.code === "NOT_FOUND") return false;
    if (thrown.code === "UNIMPLEMENTED") return undefined;
    throw thrown;
  }
}
