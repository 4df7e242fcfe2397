/** Numbers that look random and depend on nothing but the seed, a name and how often that name was asked before. */
export interface SeededRandom {
  /**
   * The next number of the stream `name`, from 0 up to but not 1. Streams do not influence each other: the third call of CreateVM draws
   * the same however many other calls came between.
   */
  next(name: string): number;
  /** The next whole number of the stream from `min` to `max`, both included. */
  between(name: string, range: Range): number;
}

/** Inclusive bounds. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/**
 * Draw n of a stream is splitmix64 of (FNV-1a 64 of `seed/name/n`), its upper 53 bits divided by 2^53. Source: Steele, Lea, Flood, "Fast
 * splittable pseudorandom number generators" (OOPSLA 2014), and the FNV specification (draft-eastlake-fnv).
 */
export function createSeededRandom(seed: number): SeededRandom {
  const drawn = new Map<string, number>();
  const random: SeededRandom = {
    next(name) {
      const n = drawn.get(name) ?? 0;
      drawn.set(name, n + 1);
      return Number(splitmix64(fnv1a64(`${seed}/${name}/${n}`)) >> 11n) / 2 ** 53;
    },
    between(name, { min, max }) {
      // Zero-delay runs ask for every call; they get by without the arithmetic.
      return min === max ? min : min + Math.floor(random.next(name) * (max - min + 1));
    },
  };
  return random;
}

const mask = (1n << 64n) - 1n;

/** FNV-1a, 64 bits, of the UTF-16 units of `text`. */
export function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (let index = 0; index < text.length; index++) {
    hash = ((hash ^ BigInt(text.charCodeAt(index))) * 0x100000001b3n) & mask;
  }
  return hash;
}

function splitmix64(value: bigint): bigint {
  let z = (value + 0x9e3779b97f4a7c15n) & mask;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
  return z ^ (z >> 31n);
}
