import type { Stack } from "./stack.ts";

/** Prints what moved and what did not. Gives the exit code: 0 when nothing is missing. */
export function reportReadiness(stack: Stack, seconds: number): 0 | 1 {
  const { watch, runner, manager } = stack;
  for (const [target, reason] of watch.failures) console.error(`  ${target}: last scrape failed: ${reason}`);
  if (watch.waiting.length > 0) {
    console.error(`Not ready after ${seconds.toFixed(0)} s. These families have not moved:`);
    for (const family of watch.waiting) console.error(`  ${family}`);
    return 1;
  }
  const restarts = manager.restarts + runner.providers.reduce((sum, { component }) => sum + component.restarts, 0);
  console.log(
    `Ready after ${seconds.toFixed(1)} s: ${watch.moved.size} families have moved, ${watch.scrapes} scrapes of ${runner.providers.length + 1} targets, ${restarts} restarts.`,
  );
  return 0;
}
