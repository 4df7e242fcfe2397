import type { ExponentialBuckets, ExponentialPoint } from "./snapshot.ts";

/** The finest resolution, where every histogram starts. */
const highestScale = 20;
const lowestNormalExponent = -1022;
const highestNormalExponent = 1023;
const lowestNormal = 2 ** lowestNormalExponent;

const bits = new DataView(new ArrayBuffer(8));

/** Exponent of a normal number in base 2, and whether nothing but the exponent is set. */
function splitExponent(value: number): { readonly exponent: number; readonly exact: boolean } {
  bits.setFloat64(0, value);
  const high = bits.getUint32(0);
  return {
    exponent: ((high >>> 20) & 0x7ff) - 1023,
    exact: (high & 0xf_ffff) === 0 && bits.getUint32(4) === 0,
  };
}

/**
 * The bucket of a positive finite value: the index whose bounds are (base ** index, base ** (index + 1)]. Numbers below the normal ones
 * are counted with the smallest normal one (metrics data model, exponential histogram).
 */
function exponentialIndex(value: number, scale: number): number {
  const { exponent, exact } = splitExponent(value < lowestNormal ? lowestNormal : value);
  // An exact power is the upper, inclusive bound of the bucket below.
  if (scale <= 0) return (exact ? exponent - 1 : exponent) >> -scale;
  if (exact) return (exponent << scale) - 1;
  const index = Math.floor(Math.log(value) * Math.LOG2E * 2 ** scale);
  // The logarithm may be rounded over the edge of the exponent.
  const lowest = exponent << scale;
  const highest = (Math.min(exponent, highestNormalExponent) + 1) * 2 ** scale - 1;
  return Math.min(Math.max(index, lowest), highest);
}

interface Buckets {
  offset: number;
  counts: number[];
}

/** An exponential histogram that halves its resolution whenever its values would need more than `maxSize` buckets per sign. */
export class ExponentialState {
  readonly #maxSize: number;
  #scale = highestScale;
  #count = 0;
  #zeroCount = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;
  readonly #positive: Buckets = { offset: 0, counts: [] };
  readonly #negative: Buckets = { offset: 0, counts: [] };

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Counts a finite value. */
  record(value: number): void {
    this.#count++;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (value === 0) this.#zeroCount++;
    else if (value > 0) this.#increment(this.#positive, value);
    else this.#increment(this.#negative, -value);
  }

  /** A copy. With nothing but zeros the scale says nothing and is 0. */
  point(): ExponentialPoint {
    return {
      count: this.#count,
      sum: this.#sum,
      min: this.#min,
      max: this.#max,
      zeroCount: this.#zeroCount,
      scale: this.#count === this.#zeroCount ? 0 : this.#scale,
      positive: copyBuckets(this.#positive),
      negative: copyBuckets(this.#negative),
    };
  }

  #increment(buckets: Buckets, magnitude: number): void {
    let index = exponentialIndex(magnitude, this.#scale);
    const { counts } = buckets;
    if (counts.length === 0) {
      buckets.offset = index;
      counts.push(1);
      return;
    }
    let low = Math.min(index, buckets.offset);
    let high = Math.max(index, buckets.offset + counts.length - 1);
    let by = 0;
    while (high - low >= this.#maxSize) {
      low >>= 1;
      high >>= 1;
      by++;
    }
    if (by > 0) {
      downscale(this.#positive, by);
      downscale(this.#negative, by);
      this.#scale -= by;
      index >>= by;
    }
    while (index < buckets.offset) {
      counts.unshift(0);
      buckets.offset--;
    }
    while (index >= buckets.offset + counts.length) counts.push(0);
    counts[index - buckets.offset]!++;
  }
}

function downscale(buckets: Buckets, by: number): void {
  const { offset, counts } = buckets;
  const coarse: number[] = [];
  const first = offset >> by;
  for (let index = 0; index < counts.length; index++) {
    const at = ((offset + index) >> by) - first;
    coarse[at] = (coarse[at] ?? 0) + counts[index]!;
  }
  buckets.offset = counts.length === 0 ? 0 : first;
  counts.splice(0, counts.length, ...coarse);
}

function copyBuckets({ offset, counts }: Buckets): ExponentialBuckets {
  return { offset, counts: counts.slice() };
}
