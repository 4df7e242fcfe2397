/** UIDs of objects that this process let go. */
export interface Released {
  /** The object is gone: what a cache still says of it is old, and going on with it would do and count everything once more. */
  has(uid: string): boolean;
  add(uid: string): void;
}

/** No watch lags behind by more deletions. */
const most = 10_000;

export function createReleased(): Released {
  const uids = new Set<string>();
  return {
    has: (uid) => uids.has(uid),
    add(uid) {
      uids.add(uid);
      if (uids.size <= most) return;
      for (const oldest of uids) {
        uids.delete(oldest);
        break;
      }
    },
  };
}
