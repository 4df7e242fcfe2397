/** Size of most pieces of a page. */
export const chunkBytes = 65_536;
/** Bytes kept for the next page at most. */
const maxKeptBytes = 32 * 1024 * 1024;

/**
 * Memory for pages. A page's chunks come back when all its readers have it, and serve for the next one: fresh memory for every page costs
 * as much time as filling it, and its removal more.
 */
export interface ChunkPool {
  /** At least so many bytes, of any content. */
  take(bytes: number): Buffer;
  /** For chunks that nobody will look at any more. What does not come from here, or has come back already, is left alone. */
  give(chunks: readonly Uint8Array[]): void;
}

export function createChunkPool(): ChunkPool {
  const kept: Buffer[] = [];
  // Other buffers of this size may be slices of memory that Node shares among many.
  const lent = new WeakMap<ArrayBufferLike, Buffer>();
  return {
    take(bytes) {
      if (bytes > chunkBytes) return Buffer.allocUnsafeSlow(bytes);
      const buffer = kept.pop() ?? Buffer.allocUnsafeSlow(chunkBytes);
      lent.set(buffer.buffer, buffer);
      return buffer;
    },
    give(chunks) {
      for (const { buffer } of chunks) {
        const own = lent.get(buffer);
        lent.delete(buffer);
        if (own !== undefined && kept.length * chunkBytes < maxKeptBytes) kept.push(own);
      }
    },
  };
}
