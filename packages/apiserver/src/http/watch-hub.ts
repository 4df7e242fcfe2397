import type { Clock, Timer } from "@almanac/core";

/** A watch as the hub sees it. */
export interface HubMember {
  /** Tells the client how far it has seen. */
  bookmark(): void;
  end(): void;
  /** `plural.group` in storage. */
  readonly collection: string;
}

/** All open watches: one clock for their bookmarks, one place to end them. */
export interface WatchHub {
  readonly size: number;
  add(member: HubMember): void;
  remove(member: HubMember): void;
  /** Ends the watches of a resource, or all. */
  end(collection?: string): void;
}

export function createWatchHub(clock: Clock, bookmarkIntervalMs: number): WatchHub {
  const members = new Set<HubMember>();
  let timer: Timer | undefined;

  function tick(): void {
    timer = undefined;
    for (const member of members) member.bookmark();
    arm();
  }

  function arm(): void {
    if (members.size > 0) timer ??= clock.setTimeout(tick, bookmarkIntervalMs, { keepAlive: false });
  }

  return {
    get size() {
      return members.size;
    },
    add(member) {
      members.add(member);
      arm();
    },
    remove(member) {
      members.delete(member);
      if (members.size > 0) return;
      timer?.cancel();
      timer = undefined;
    },
    end(collection) {
      for (const member of [...members]) if (collection === undefined || member.collection === collection) member.end();
    },
  };
}
