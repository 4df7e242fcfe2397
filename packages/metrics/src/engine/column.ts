import type { AnyValue } from "@opentelemetry/api";

/** What `part` answers for values that the column does not have. Negative, so that it shows in whatever it is or-ed into. */
export const noPart = -1;

/** Values beyond which characters are no longer looked at: the table of slots would be too large. */
const mostQuick = 4096;
/** Values that positions of characters are tried on. */
const mostTried = 256;
/** Columns that are so small choose again whenever that could help: it takes no time. */
const few = 16;
/** Positions from the start and from the end that are tried. */
const positionsTried = Object.freeze([
  ...Array.from({ length: 24 }, (_, at) => at),
  ...Array.from({ length: 12 }, (_, at) => -1 - at),
]);

/**
 * The values of one key, numbered. A value's part of a place is its number, moved to where the column's bits are.
 *
 * A Map knows the part of every value. Before it is asked, a few characters of a text, at positions at which the column's texts were found to
 * differ, choose a slot that holds one of them: half the work of a Map, and where it holds another one the Map is still there. So neither the
 * outcome nor the order of time depends on the texts.
 */
export class Column {
  readonly key: string;
  /** The column of the next key. */
  readonly next: Column | undefined;
  bits = 0;
  #shift = 0;
  readonly #parts = new Map<AnyValue, number>();
  /** By number; undefined where a number is free. */
  readonly #values: AnyValue[] = [];
  /** Series per number. */
  readonly #uses: number[] = [];
  readonly #free: number[] = [];

  // A position from -1 downwards is one from the end.
  #first = 0;
  #second = 0;
  #third = 0;
  /** How many of the positions count; none: the Map is asked at once. */
  #positions = 0;
  #mask = 0;
  /** A text, or undefined, and its part, in turns. */
  #slots: (string | number | undefined)[] = [undefined, noPart];
  /** Texts whose slot another one has, and values when the positions were chosen. */
  #homeless = 0;
  #learntSize = 0;

  constructor(key: string, next: Column | undefined) {
    this.key = key;
    this.next = next;
  }

  /** Whether a value fits into the bits the column has. */
  hasRoom(value: AnyValue): boolean {
    return this.#parts.has(value) || this.#free.length > 0 || this.#values.length < 2 ** this.bits;
  }

  part(value: AnyValue): number {
    if (this.#positions > 0 && typeof value === "string") {
      const slot = this.#slotOf(value);
      if (this.#slots[slot] === value) return this.#slots[slot + 1] as number;
    }
    return this.#parts.get(value) ?? noPart;
  }

  valueAt(place: number): AnyValue {
    return this.#values[this.#numberAt(place)];
  }

  /** The part of a place, where the column's bits are now, once they are moved. */
  moved(place: number, shift: number): number {
    return this.#numberAt(place) << shift;
  }

  /** Counts one more series with the value. There must be room. */
  add(value: AnyValue): number {
    const known = this.#parts.get(value);
    if (known !== undefined) {
      this.#uses[known >> this.#shift]!++;
      return known;
    }
    const number = this.#free.pop() ?? this.#values.length;
    const part = number << this.#shift;
    this.#parts.set(value, part);
    this.#values[number] = value;
    this.#uses[number] = 1;
    if (typeof value === "string") this.#settleText(value, part);
    return part;
  }

  /** Counts one series less. A value that no series has is forgotten, so that values that come and go take no room. */
  delete(value: AnyValue): number {
    const part = this.#parts.get(value)!;
    const number = part >> this.#shift;
    if (--this.#uses[number]! > 0) return part;
    this.#parts.delete(value);
    this.#values[number] = undefined;
    this.#free.push(number);
    if (this.#positions > 0 && typeof value === "string") {
      const slot = this.#slotOf(value);
      if (this.#slots[slot] === value) this.#slots[slot] = undefined;
      else this.#homeless--;
    }
    return part;
  }

  /** Moves the column's bits. */
  place(bits: number, shift: number): void {
    this.bits = bits;
    if (shift === this.#shift) return;
    this.#shift = shift;
    this.#values.forEach((value, number) => {
      if (this.#uses[number]! > 0) this.#parts.set(value, number << shift);
    });
    this.#fillSlots();
  }

  #numberAt(place: number): number {
    return (place >> this.#shift) & (2 ** this.bits - 1);
  }

  #slotOf(text: string): number {
    const { length } = text;
    let hash = length * 7;
    let at = this.#first < 0 ? length + this.#first : this.#first;
    if (at >= 0 && at < length) hash += text.charCodeAt(at);
    if (this.#positions > 1) {
      at = this.#second < 0 ? length + this.#second : this.#second;
      if (at >= 0 && at < length) hash += text.charCodeAt(at) * 79;
      if (this.#positions > 2) {
        at = this.#third < 0 ? length + this.#third : this.#third;
        if (at >= 0 && at < length) hash += text.charCodeAt(at) * 1031;
      }
    }
    return (hash & this.#mask) << 1;
  }

  #settleText(text: string, part: number): void {
    const size = this.#parts.size;
    if (this.#positions > 0) {
      const slot = this.#slotOf(text);
      if (this.#slots[slot] === undefined) {
        this.#slots[slot] = text;
        this.#slots[slot + 1] = part;
      } else {
        this.#homeless++;
      }
    }
    const crowded = 8 * this.#homeless > size && (size <= few || 4 * size > 5 * this.#learntSize);
    if (crowded || size > 2 * this.#learntSize) this.#learn();
  }

  /** Chooses the positions at which the texts differ most, one after the other, and as few as it takes. */
  #learn(): void {
    const texts = this.#values.filter((value) => typeof value === "string");
    this.#learntSize = this.#parts.size;
    this.#positions = 0;
    if (texts.length === 0 || texts.length > mostQuick) {
      this.#fillSlots();
      return;
    }
    const step = Math.ceil(texts.length / mostTried);
    const tried = texts.filter((_, index) => index % step === 0);
    // Room is cheap where there are few.
    const room = texts.length > mostTried ? 2 : 4;
    this.#mask = 15;
    while (this.#mask < room * texts.length) this.#mask = 2 * this.#mask + 1;
    const differing = (): number => new Set(tried.map((text) => this.#slotOf(text))).size;
    let most = 0;
    for (const choose of [
      (at: number) => (this.#first = at),
      (at: number) => (this.#second = at),
      (at: number) => (this.#third = at),
    ]) {
      this.#positions++;
      let best: number | undefined;
      for (const at of positionsTried) {
        choose(at);
        const different = differing();
        if (different <= most) continue;
        most = different;
        best = at;
      }
      if (best === undefined) {
        this.#positions--;
        break;
      }
      choose(best);
      if (most === tried.length) break;
    }
    // Where most of them cannot be told apart, looking at them is work in vain.
    if (2 * most < tried.length) this.#positions = 0;
    this.#fillSlots();
  }

  #fillSlots(): void {
    const quick = this.#positions > 0;
    if (!quick) this.#mask = 0;
    this.#slots = Array.from({ length: 2 * (this.#mask + 1) }, (_, at) => (at % 2 === 0 ? undefined : noPart));
    this.#homeless = 0;
    if (!quick) return;
    for (const [value, part] of this.#parts) {
      if (typeof value !== "string") continue;
      const slot = this.#slotOf(value);
      if (this.#slots[slot] !== undefined) {
        this.#homeless++;
        continue;
      }
      this.#slots[slot] = value;
      this.#slots[slot + 1] = part;
    }
  }
}
