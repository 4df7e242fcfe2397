import { describeError, sleep } from "@almanac/core";
import { scrapeFamilies } from "./scrape.ts";

/** A page to watch, and the families that must move on it or on another target's page. */
export interface WatchedTarget {
  readonly name: string;
  readonly url: string;
}

/** Which families have moved so far: a counter or histogram above 0, a gauge seen other than 0, an info present. */
export interface FamilyWatch {
  readonly moved: ReadonlySet<string>;
  readonly waiting: readonly string[];
  /** Scrapes that were answered, over all targets. */
  readonly scrapes: number;
  /** Why a target's last scrape failed, by the target's name. */
  readonly failures: ReadonlyMap<string, string>;
  /** Scrapes every target over and over. Resolves once all families have moved; rejects with the signal's reason. */
  untilAllMoved(signal: AbortSignal): Promise<void>;
}

interface FamilyWatchOptions {
  readonly families: readonly string[];
  /** Asked before every round, since components come and go. */
  readonly targets: () => readonly WatchedTarget[];
  /** Pause between rounds. Default: 250, short enough to see a queue that is not empty. */
  readonly intervalMs?: number;
}

export function createFamilyWatch(options: FamilyWatchOptions): FamilyWatch {
  const { families, targets, intervalMs = 250 } = options;
  const moved = new Set<string>();
  const failures = new Map<string, string>();
  let scrapes = 0;

  async function round(signal: AbortSignal): Promise<void> {
    await Promise.all(
      targets().map(async ({ name, url }) => {
        try {
          for (const family of (await scrapeFamilies(url, signal)).values()) if (family.moved) moved.add(family.name);
          scrapes++;
          failures.delete(name);
        } catch (error) {
          failures.set(name, describeError(error));
        }
      }),
    );
  }

  return {
    moved,
    failures,
    get waiting() {
      return families.filter((family) => !moved.has(family));
    },
    get scrapes() {
      return scrapes;
    },
    async untilAllMoved(signal) {
      for (;;) {
        signal.throwIfAborted();
        await round(signal);
        if (families.every((family) => moved.has(family))) return;
        await sleep(intervalMs, { signal });
      }
    },
  };
}
