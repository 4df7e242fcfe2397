import type { ConformanceCase } from "./case.ts";
import type { ServerUnderTest } from "./client.ts";
import { runCase } from "./case.ts";

export interface CaseResult {
  readonly name: string;
  /** Why it failed. */
  readonly error: Error | undefined;
  readonly seconds: number;
}

/** Runs `cases` against a server, `concurrency` at a time; those that forget the past at the end. */
export async function runSuite(
  cases: readonly ConformanceCase[],
  server: ServerUnderTest,
  concurrency: number,
): Promise<CaseResult[]> {
  const results = new Map<ConformanceCase, CaseResult>();
  async function work(queue: ConformanceCase[]): Promise<void> {
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
      const begin = performance.now();
      let error: Error | undefined;
      try {
        await runCase(one, server);
      } catch (caught) {
        error = caught instanceof Error ? caught : new Error(String(caught));
      }
      results.set(one, { name: one.name, error, seconds: (performance.now() - begin) / 1000 });
    }
  }
  for (const late of [false, true]) {
    // Those that wait for controllers take longest, and begin first.
    const queue = cases
      .filter((one) => (one.forgets === true) === late)
      .sort((left, right) => Number(right.needs !== undefined) - Number(left.needs !== undefined));
    await Promise.all(Array.from({ length: concurrency }, () => work(queue)));
  }
  return cases.flatMap((one) => results.get(one) ?? []);
}
