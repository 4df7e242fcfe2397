/** Long enough for all callbacks of one collection to see the same reading, short enough for the next collection to see a new one. */
const sharedForMs = 50;

/** One reading for several families of the same collection, so that they agree with each other. */
export function sharedReading<T>(read: () => T): () => T {
  let last: { readonly value: T; readonly at: number } | undefined;
  return () => {
    const now = performance.now();
    if (last === undefined || now - last.at > sharedForMs) last = { value: read(), at: now };
    return last.value;
  };
}
