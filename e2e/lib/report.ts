import { inspect, styleText } from "node:util";

/** Collects the checks of a run and prints each as it ends. */
export interface Report {
  readonly passed: number;
  readonly failed: number;
  /** Runs one check; what it returns is printed as evidence. A check that throws has failed; the run goes on. */
  check(title: string, body: () => Promise<string | void> | string | void): Promise<void>;
}

export function createReport(): Report {
  let passed = 0;
  let failed = 0;
  return {
    get passed() {
      return passed;
    },
    get failed() {
      return failed;
    },
    async check(title, body) {
      const begin = performance.now();
      const took = (): string => `${((performance.now() - begin) / 1000).toFixed(1)} s`;
      try {
        const evidence = await body();
        passed++;
        console.log(`${paint("green", "✓")} ${title} (${took()})${evidence ? `: ${evidence}` : ""}`);
      } catch (error) {
        failed++;
        const message = error instanceof Error ? error.message : inspect(error);
        console.log(`${paint("red", "✗")} ${title} (${took()})\n    ${message.replaceAll("\n", "\n    ")}`);
      }
    },
  };
}

/** Throws an error with `message` unless `condition` holds. */
export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** Calls `attempt` until it no longer throws; after `timeoutMs` its last error is thrown. */
export async function eventually<T>(attempt: () => Promise<T> | T, timeoutMs = 30_000, intervalMs = 250): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, intervalMs));
    }
  }
}

function paint(colour: "green" | "red", text: string): string {
  return styleText(colour, text, { stream: process.stdout });
}
