import { once } from "node:events";
import { constants, createGzip } from "node:zlib";

/** The chunks as one gzip stream, in chunks. Works on the thread pool; the event loop only passes chunks on. */
export async function compressChunks(chunks: readonly Uint8Array[]): Promise<Uint8Array[]> {
  // Pages repeat themselves so much that the fastest level comes within a fifth of the best one.
  const gzip = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: 65_536 });
  const compressed: Uint8Array[] = [];
  gzip.on("data", (chunk: Uint8Array) => compressed.push(chunk));
  const ended = once(gzip, "end");
  for (const chunk of chunks) {
    if (!gzip.write(chunk)) await once(gzip, "drain");
  }
  gzip.end();
  await ended;
  return compressed;
}
