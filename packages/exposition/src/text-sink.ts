const chunkBytes = 65_536;
/** A UTF-16 code unit takes at most three bytes in UTF-8. */
const worstBytesPerUnit = 3;

/** Turns a page's pieces into chunks of bytes of about 64 KB. */
export interface TextSink {
  write(text: string): void;
  /** Chunks that are full since the last call. */
  take(): Uint8Array[];
  /** Everything that is left. */
  end(): Uint8Array[];
}

export function createTextSink(): TextSink {
  let buffer = Buffer.allocUnsafeSlow(chunkBytes);
  let at = 0;
  let full: Uint8Array[] = [];
  function flush(): void {
    if (at === 0) return;
    full.push(buffer.subarray(0, at));
    buffer = Buffer.allocUnsafeSlow(chunkBytes);
    at = 0;
  }
  return {
    write(text) {
      if (text.length * worstBytesPerUnit > chunkBytes - at) {
        flush();
        if (text.length * worstBytesPerUnit > chunkBytes) {
          full.push(Buffer.from(text));
          return;
        }
      }
      at += buffer.write(text, at);
    },
    take() {
      const taken = full;
      if (taken.length > 0) full = [];
      return taken;
    },
    end() {
      flush();
      return this.take();
    },
  };
}
