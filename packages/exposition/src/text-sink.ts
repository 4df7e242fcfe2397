const chunkBytes = 65_536;
/** A UTF-16 code unit takes at most three bytes in UTF-8. */
const worstBytesPerUnit = 3;
/** Numbers up to this many digits are written here, others as texts. */
const maxSmall = 2 ** 31 - 1;

/** Turns a page's pieces into chunks of bytes of about 64 KB. Everything but `write` goes where `reserve` has made room. */
export class TextSink {
  #buffer = Buffer.allocUnsafeSlow(chunkBytes);
  #at = 0;
  #full: Uint8Array[] = [];

  /** Where the next byte goes. */
  get at(): number {
    return this.#at;
  }

  /** Makes room for so many bytes in one piece. Positions from before are void then. */
  reserve(bytes: number): void {
    if (bytes <= this.#buffer.byteLength - this.#at) return;
    this.#flush();
    if (bytes > this.#buffer.byteLength) this.#buffer = Buffer.allocUnsafeSlow(bytes);
  }

  write(text: string): void {
    this.reserve(text.length * worstBytesPerUnit);
    this.text(text);
  }

  text(text: string): void {
    this.#at += this.#buffer.write(text, this.#at);
  }

  /** Repeats what was written before. */
  again(start: number, end: number): void {
    this.#buffer.copyWithin(this.#at, start, end);
    this.#at += end - start;
  }

  bytes(bytes: Uint8Array): void {
    // Short ones: a call of set() costs more than the loop.
    for (let index = 0; index < bytes.length; index++) this.#buffer[this.#at++] = bytes[index] as number;
  }

  /** A whole number from 0. */
  count(value: number): void {
    if (value > maxSmall) {
      this.text(String(value));
      return;
    }
    let digits = 1;
    for (let limit = 10; limit <= value; limit *= 10) digits++;
    let rest = value;
    for (let at = this.#at + digits - 1; at >= this.#at; at--) {
      const tenth = (rest / 10) | 0;
      this.#buffer[at] = 0x30 + rest - tenth * 10;
      rest = tenth;
    }
    this.#at += digits;
  }

  /** Chunks that are full since the last call. */
  take(): Uint8Array[] {
    const taken = this.#full;
    if (taken.length > 0) this.#full = [];
    return taken;
  }

  /** Everything that is left. */
  end(): Uint8Array[] {
    this.#flush();
    return this.take();
  }

  #flush(): void {
    if (this.#at === 0) return;
    this.#full.push(this.#buffer.subarray(0, this.#at));
    this.#buffer = Buffer.allocUnsafeSlow(chunkBytes);
    this.#at = 0;
  }
}
