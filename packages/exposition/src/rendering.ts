import type { Clock } from "@almanac/core";
import type { MetricsSnapshot } from "@almanac/metrics/internal";
import type { ChunkPool } from "./chunk-pool.ts";
import { compressChunks } from "./compress.ts";
import { ExpositionError } from "./error.ts";
import { groupFamilies, type Family, type GroupOptions, type Report } from "./family.ts";
import { createNaming, type Escaping, type TranslationStrategy } from "./naming.ts";
import type { Negotiated } from "./negotiate.ts";
import { runInSlices } from "./slices.ts";
import { writeProtobuf } from "./write-protobuf.ts";
import { writeText, type Format } from "./write.ts";

export interface RenderedPage {
  readonly format: Format;
  readonly contentType: string;
  readonly contentEncoding: "gzip" | undefined;
  /** The page in pieces, compressed as `contentEncoding` says. Shared with others who asked for the same: not to be changed. */
  readonly chunks: readonly Uint8Array[];
  /** All pieces in one; made anew at each call. */
  readonly body: Uint8Array;
  /** Bytes before compression. */
  readonly size: number;
  /**
   * Says that this page will not be looked at any more; when all who share it have said so, its memory serves for the next one. To be
   * called once per page got, and never after a doubt: a page that is not released goes as any other memory does.
   */
  release(): void;
}

/** What a page is made of beyond its snapshot. */
export interface PageWish extends Negotiated {
  readonly gzip: boolean;
  /** Only families that have one of these names, or a sample of that name. Empty: all. */
  readonly names: readonly string[];
}

/** A page as it is shared, without the one who reads it. */
interface WrittenPage {
  readonly chunks: readonly Uint8Array[];
  /** Bytes before compression. */
  readonly size: number;
}

export interface RenderingOptions extends Omit<GroupOptions, "naming" | "report"> {
  readonly pool: ChunkPool;
  readonly strategy: TranslationStrategy;
  /** Whether every sample carries the time of its collection. */
  readonly timestamps: boolean;
  readonly clock: Clock;
  readonly report: (error: unknown, family?: string) => void;
}

/** The pages of one snapshot. */
export interface Rendering {
  /** Families under the names that scrapers get who ask for nothing special. */
  families(): Promise<readonly Family[]>;
  page(wish: PageWish): Promise<WrittenPage>;
}

/** Groups a snapshot's families once for each set of names; what cannot be shown is reported with the first that lacks it. */
export function createRendering(snapshot: MetricsSnapshot, options: RenderingOptions): Rendering {
  const { strategy, clock, report, timestamps, pool } = options;
  const grouped = new Map<string, Promise<readonly Family[]>>();
  const reported = new Set<string>();
  const families = (escaping: Escaping): Promise<readonly Family[]> => {
    const naming = createNaming(strategy, escaping);
    let result = grouped.get(naming.id);
    if (result === undefined) {
      const first = grouped.size === 0;
      const once: Report = (error, family) => {
        // Only a conflict may be one of names; all else has been said with the first, perhaps in other names.
        if (!first && (reported.has(error.message) || error.code !== "conflicting_family")) return;
        reported.add(error.message);
        report(error, family);
      };
      const steps = groupFamilies(snapshot, { ...options, naming, report: once });
      result = runInSlices(steps, clock, () => {});
      grouped.set(naming.id, result);
    }
    return result;
  };
  return {
    families: () => families("underscores"),
    async page(wish) {
      const all = await families(wish.escaping);
      const shown = wish.names.length === 0 ? all : all.filter((family) => isNamed(family, new Set(wish.names)));
      const { label } = createNaming(strategy, wish.escaping);
      const writing = { label, pool, timestampMs: timestamps ? snapshot.timeMs : undefined };
      const openMetrics = wish.format === "openmetrics";
      const steps =
        wish.format === "protobuf" ? writeProtobuf(shown, writing) : writeText(shown, { ...writing, openMetrics });
      const plain: Uint8Array[] = [];
      await runInSlices(steps, clock, (chunk) => {
        if (chunk.byteLength > 0) plain.push(chunk);
      });
      const size = plain.reduce((sum, chunk) => sum + chunk.byteLength, 0);
      if (!wish.gzip) return { chunks: plain, size };
      const chunks = await compressChunks(plain);
      pool.give(plain);
      return { chunks, size };
    },
  };
}

function isNamed({ name, type }: Family, names: ReadonlySet<string>): boolean {
  const suffixes = type === "histogram" ? ["", "_bucket", "_count", "_sum"] : [""];
  // OpenMetrics' name of the family lacks the suffix.
  const base = type === "counter" ? name.replace(/_total$/, "") : name;
  return names.has(base) || suffixes.some((suffix) => names.has(name + suffix));
}

export interface SharingOptions {
  /** Takes a snapshot; gets how long it may wait for what it reads. */
  readonly collect: (timeoutMs: number) => Promise<Rendering>;
  readonly collectTimeoutMs: number;
  readonly maxRenderings: number;
  readonly pool: ChunkPool;
  readonly clock: Clock;
}

export interface SharedRenderings {
  /** `timeoutMs`: after this the caller has gone. */
  page(wish: PageWish, timeoutMs: number | undefined): Promise<RenderedPage>;
  /** A collection that begins after the call. */
  collection(): Promise<Rendering>;
}

/** Of a reader's time; the rest is for writing the page, which then lacks what came late. */
const collectingShare = 0.75;

interface Generation {
  rendering: Promise<Rendering>;
  begin: () => void;
  /** How long its collection may wait: as long as the most patient of those who wait for it. */
  timeoutMs: number;
  readonly pages: Map<string, SharedPage>;
}

interface SharedPage {
  readonly written: Promise<WrittenPage>;
  /** Those who have asked for it and not released it yet. */
  holders: number;
}

/**
 * Collects and renders for many at a time. Whoever asks while a collection runs waits for the next one, so that no page is older than its
 * request; all who wait for it share it, and those who want the same page share that. The next one begins when the running one and all its
 * pages are done. So at most two snapshots are held, however many ask.
 */
export function shareRenderings(options: SharingOptions): SharedRenderings {
  const { collect, collectTimeoutMs, maxRenderings, pool, clock } = options;
  let running: Generation | undefined;
  let next: Generation | undefined;
  let renderings = 0;

  function createGeneration(): Generation {
    const { promise, resolve } = Promise.withResolvers<void>();
    const generation: Generation = {
      timeoutMs: 0,
      pages: new Map(),
      begin: resolve,
      rendering: promise.then(() => collect(generation.timeoutMs)),
    };
    // Whoever waits hears of it.
    generation.rendering.catch(() => {});
    return generation;
  }

  function start(generation: Generation): void {
    running = generation;
    // Not before the caller, who has yet to say what it wants, is through.
    queueMicrotask(() => generation.begin());
    void generation.rendering
      .then(
        () => Promise.allSettled([...generation.pages.values()].map(({ written }) => written)),
        () => undefined,
      )
      .then(() => {
        running = undefined;
        const following = next;
        next = undefined;
        if (following !== undefined) start(following);
      });
  }

  function join(timeoutMs: number): Generation {
    let generation = next;
    if (running === undefined) start((generation = createGeneration()));
    else generation = next ??= createGeneration();
    generation.timeoutMs = Math.max(generation.timeoutMs, Math.min(timeoutMs * collectingShare, collectTimeoutMs));
    return generation;
  }

  return {
    collection: () => join(Infinity).rendering,
    page(wish, timeoutMs) {
      const key = JSON.stringify([wish.page, wish.contentType, wish.gzip, [...wish.names].sort()]);
      const waiting = running === undefined ? undefined : next;
      let page = waiting?.pages.get(key);
      if (page === undefined) {
        if (renderings >= maxRenderings) {
          const message = `${renderings} pages are being rendered already; ask again in a second`;
          return Promise.reject(new ExpositionError("too_busy", message));
        }
        renderings++;
        const generation = join(timeoutMs ?? Infinity);
        const written = generation.rendering.then((rendering) => rendering.page(wish)).finally(() => renderings--);
        page = { written, holders: 0 };
        generation.pages.set(key, page);
      } else if (waiting !== undefined) {
        join(timeoutMs ?? Infinity);
      }
      return hand(page, wish, timeoutMs);
    },
  };

  async function hand(page: SharedPage, wish: PageWish, timeoutMs: number | undefined): Promise<RenderedPage> {
    page.holders++;
    let held = true;
    const { written } = page;
    const release = (): void => {
      if (!held) return;
      held = false;
      if (--page.holders === 0) void written.then(({ chunks }) => pool.give(chunks));
    };
    try {
      const { chunks, size } = await (timeoutMs === undefined ? written : within(written, timeoutMs, clock));
      return {
        format: wish.format,
        contentType: wish.contentType,
        contentEncoding: wish.gzip ? "gzip" : undefined,
        chunks,
        size,
        release,
        get body() {
          return Buffer.concat(chunks);
        },
      };
    } catch (thrown) {
      // Others may still be waiting for it; if nobody is, nobody needs its memory either.
      written.then(release, () => undefined);
      throw thrown;
    }
  }
}

function within<T>(promise: Promise<T>, timeoutMs: number, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => {
      reject(
        new ExpositionError("too_late", `the page was not ready within ${timeoutMs} ms, the time its reader waits`),
      );
    }, timeoutMs);
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}
