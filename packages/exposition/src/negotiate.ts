import type { Format } from "./write.ts";

/** The two pages by their media types, the default first. */
export const contentTypes: Readonly<Record<Format, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

const offers = [
  { format: "text", type: "text", subtype: "plain", version: "0.0.4" },
  { format: "openmetrics", type: "application", subtype: "openmetrics-text", version: "1.0.0" },
] as const;

interface Range {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly q: number;
}

/**
 * The format for an `Accept` header, by RFC 9110 section 12.5.1: for each format the most specific matching range decides its weight, the
 * heavier one wins, then the more specific, then the earlier named; text where nothing tells them apart, and where the header is missing,
 * unreadable or asks only for formats that are not spoken here. A version, where given, has to be ours.
 */
export function negotiateFormat(accept: string | undefined): Format {
  const ranges = parseHeader(accept);
  let best: { format: Format; q: number; specificity: number; position: number } | undefined;
  for (const offer of offers) {
    let match: { q: number; specificity: number; position: number } | undefined;
    for (const [position, range] of ranges.entries()) {
      const specificity = matches(range, offer);
      if (specificity > (match?.specificity ?? 0)) match = { q: range.q, specificity, position };
    }
    if (match === undefined || match.q === 0) continue;
    const difference =
      best === undefined
        ? 1
        : match.q - best.q || match.specificity - best.specificity || best.position - match.position;
    if (difference > 0) best = { format: offer.format, ...match };
  }
  return best?.format ?? "text";
}

/** 0 no match, 1 any type, 2 any subtype, 3 the type, 4 the type in our version. */
function matches(range: Range, offer: (typeof offers)[number]): number {
  if (range.value === "*/*") return 1;
  if (range.value === `${offer.type}/*`) return 2;
  if (range.value !== `${offer.type}/${offer.subtype}`) return 0;
  const version = range.parameters.get("version");
  return version === undefined ? 3 : version === offer.version ? 4 : 0;
}

/** Whether a body may and should be compressed with gzip, by RFC 9110 section 12.5.3. Without the header: no. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  const weights = new Map(parseHeader(acceptEncoding).map(({ value, q }) => [value, q]));
  const gzip = weights.get("gzip") ?? weights.get("x-gzip") ?? weights.get("*") ?? 0;
  return gzip > 0 && gzip >= (weights.get("identity") ?? 0);
}

function parseHeader(header: string | undefined): Range[] {
  const ranges: Range[] = [];
  for (const part of (header ?? "").split(",")) {
    const [value = "", ...rest] = part.split(";").map((text) => text.trim().toLowerCase());
    if (value === "") continue;
    const parameters = new Map<string, string>();
    for (const parameter of rest) {
      const [name = "", text = ""] = parameter.split("=", 2).map((side) => side.trim());
      parameters.set(name, text.replace(/^"(.*)"$/, "$1"));
    }
    const q = Number(parameters.get("q") ?? 1);
    // A weight that is no weight counts as refused: nobody gets a format by accident.
    ranges.push({ value, parameters, q: q >= 0 && q <= 1 ? q : 0 });
  }
  return ranges;
}
