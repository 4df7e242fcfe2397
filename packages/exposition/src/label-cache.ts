import type { Attributes } from "@opentelemetry/api";
import { ByteTextList, textAt, type ByteTexts } from "./byte-texts.ts";
import type { ScopedStream } from "./family.ts";
import { labelPairs, labelText, seriesKey, type LabelRules } from "./label.ts";

/** Labels of a family's series by row. Rows that are holes have none. */
export interface LabelSource {
  /** Between the braces. */
  readonly texts: ByteTexts;
  text(row: number): string;
  pairs(row: number): ReadonlyMap<string, string>;
}

export interface PreparedLabels extends LabelSource {
  /** Whether two rows are the same series, e.g. of the attributes `a.b` and `a_b`, or with an empty label and without it. */
  readonly collide: boolean;
}

interface CachedTexts {
  /** Whether some attributes could share their labels with others. Stays once it is so. */
  ambiguous: boolean;
  readonly attributes: (Attributes | undefined)[];
  readonly texts: ByteTextList;
}

/**
 * Label texts of the series last seen, by stream: a series keeps its row and its attributes object, so most of a page's characters
 * need not be made again. Goes away with the stream.
 */
export type LabelCache = WeakMap<object, Map<string, CachedTexts>>;

/**
 * Makes the label texts of a stream's series, in steps. `extra` are labels of every series; with them nothing is cached, as their
 * values are not the stream's.
 */
export function* prepareLabels(
  cache: LabelCache,
  { columns, extra }: ScopedStream,
  namingId: string,
  rules: LabelRules,
): Generator<undefined, PreparedLabels> {
  const { attributes, stream, rows } = columns;
  const pairs = (row: number): ReadonlyMap<string, string> => {
    const own = attributes[row] ?? {};
    return labelPairs(extra === undefined ? own : { ...own, ...extra }, rules);
  };
  const cached = extra === undefined ? cachedTexts(cache, stream, `${namingId} ${rules.histogram}`) : emptyTexts();
  const { attributes: seen, texts: list } = cached;
  // Series may have been removed for good.
  if (seen.length > rows) seen.length = rows;
  let made = 0;
  for (let row = 0; row < rows; row++) {
    const own = attributes[row];
    if (own === undefined || seen[row] === own) continue;
    list.set(row, labelText(pairs(row)));
    seen[row] = own;
    cached.ambiguous ||= extra !== undefined || !isExact(own, rules);
    if (++made % 256 === 0) yield;
  }
  // Later pages may write the same stream anew while this one is still being written.
  const texts = list.texts();
  const text = (row: number): string => textAt(texts, row);
  return { texts, text, pairs, collide: cached.ambiguous && collides(attributes, text) };
}

function cachedTexts(cache: LabelCache, stream: object, key: string): CachedTexts {
  let namings = cache.get(stream);
  if (namings === undefined) cache.set(stream, (namings = new Map<string, CachedTexts>()));
  let cached = namings.get(key);
  if (cached === undefined || cached.texts.wasteful) namings.set(key, (cached = emptyTexts()));
  return cached;
}

function emptyTexts(): CachedTexts {
  return { attributes: [], texts: new ByteTextList(), ambiguous: false };
}

/** Whether the labels say exactly what the attributes do, so that no other attributes give the same series. */
function isExact(attributes: Attributes, { label, histogram }: LabelRules): boolean {
  for (const key in attributes) {
    const value = attributes[key];
    if (typeof value !== "string" || value === "" || label(key) !== key || (histogram && key === "le")) return false;
    if (value.includes("\0") || !value.isWellFormed()) return false;
  }
  return true;
}

function collides(attributes: readonly (Attributes | undefined)[], text: (row: number) => string): boolean {
  const seen = new Set<string>();
  let count = 0;
  for (const [row, own] of attributes.entries()) {
    if (own === undefined) continue;
    seen.add(seriesKey(text(row)));
    count++;
  }
  return seen.size !== count;
}
