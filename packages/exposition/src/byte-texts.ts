/** Texts copied eight bytes at a time may read and write so many bytes beyond their end. */
export const slackBytes = 8;
/** A UTF-16 code unit takes at most three bytes in UTF-8. */
export const worstBytesPerUnit = 3;

/** Texts as UTF-8, made to be copied into pages often. None of what a place holds changes while somebody may copy it. */
export interface ByteTexts {
  /** All bytes, and at least `slackBytes` behind the last one. */
  readonly view: DataView;
  /** Where each text begins and how long it is. */
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
}

/** A list of texts whose places may be written again. What `texts()` gave is not touched by later writing. */
export class ByteTextList {
  #bytes: Buffer = Buffer.alloc(slackBytes);
  #view = viewOf(this.#bytes);
  #used = 0;
  /** Bytes that no place refers to any more. */
  #waste = 0;
  #starts = new Int32Array(0);
  #lengths = new Int32Array(0);
  #lent = false;

  constructor(texts: readonly string[] = []) {
    for (const [place, text] of texts.entries()) this.set(place, text);
  }

  /** Whether most of its memory is what was overwritten. */
  get wasteful(): boolean {
    return this.#waste > 65_536 && this.#waste > this.#used / 2;
  }

  set(place: number, text: string): void {
    this.#unshare(place);
    const most = text.length * worstBytesPerUnit;
    if (this.#used + most + slackBytes > this.#bytes.byteLength) this.#grow(most);
    this.#waste += this.#lengths[place] as number;
    this.#starts[place] = this.#used;
    const length = this.#bytes.write(text, this.#used);
    this.#lengths[place] = length;
    this.#used += length;
  }

  texts(): ByteTexts {
    this.#lent = true;
    return { view: this.#view, starts: this.#starts, lengths: this.#lengths };
  }

  /** Makes sure that there is a place, and that nobody else looks at the lists. The bytes only grow, so others may keep looking at them. */
  #unshare(place: number): void {
    const short = place >= this.#starts.length;
    if (!short && !this.#lent) return;
    const places = short ? Math.max(16, (place + 1) * 2) : this.#starts.length;
    this.#starts = resized(this.#starts, places);
    this.#lengths = resized(this.#lengths, places);
    this.#lent = false;
  }

  #grow(bytes: number): void {
    const larger = Buffer.alloc((this.#used + bytes) * 2 + slackBytes);
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}

/** One of them as it was. */
export function textAt({ view, starts, lengths }: ByteTexts, place: number): string {
  const start = view.byteOffset + (starts[place] ?? 0);
  return Buffer.from(view.buffer, start, lengths[place] ?? 0).toString();
}

export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function resized(list: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(length);
  copy.set(list);
  return copy;
}
