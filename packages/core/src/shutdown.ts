/** A signal that aborts when the process is asked to stop, and what undoes the listening. */
export interface ShutdownSignal extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Aborts `signal` at the first SIGINT or SIGTERM; the abort reason's message names which. A second one ends the process at once with
 * 128 + the signal's number, so that a shutdown that hangs can always be left.
 */
export function untilShutdown(): ShutdownSignal {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals, number: number): void => {
    if (controller.signal.aborted) process.exit(128 + number);
    controller.abort(new Error(`received ${name}`));
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
