import { ProviderError } from "@almanac/provider";
import type { Peer } from "../operation/peer.ts";

/** Whether the machine has the snapshot; undefined when the provider cannot tell. Rejects as `ProviderHandle.call` does for all else. */
export async function hasSnapshot(
  peer: Peer,
  vmId: string,
  snapshotId: string,
  call: Parameters<Peer["handle"]["call"]>[2],
): Promise<boolean | undefined> {
  try {
    const { snapshots } = await peer.handle.call("getDiskInfo", { vmId }, call);
    return snapshots.includes(snapshotId);
  } catch (thrown) {
    if (!(thrown instanceof ProviderError)) throw thrown;
    if (thrown.code === "NOT_FOUND") return false;
    if (thrown.code === "UNIMPLEMENTED") return undefined;
    throw thrown;
  }
}
