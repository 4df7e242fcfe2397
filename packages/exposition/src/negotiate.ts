import type { Escaping } from "./naming.ts";
import type { PageFormat } from "./parse/model.ts";
import type { Format } from "./write.ts";

/** What a request gets. */
export interface Negotiated {
  /** With its version. */
  readonly page: PageFormat;
  readonly format: Format;
  readonly escaping: Escaping;
  /** The `Content-Type` of the answer. Names the escaping only where the request did. */
  readonly contentType: string;
}

interface Offer {
  readonly page: PageFormat;
  readonly format: Format;
  readonly type: string;
  /** Parameters that have to be ours where they are given; those marked `required` have to be given. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly required?: boolean;
  readonly contentType: string;
}

const fallback: Offer = {
  page: "text",
  format: "text",
  type: "text/plain",
  parameters: { version: "0.0.4" },
  contentType: "text/plain; version=0.0.4; charset=utf-8",
};

const offers: readonly Offer[] = [
  fallback,
  {
    page: "text-1.0.0",
    format: "text",
    type: "text/plain",
    parameters: { version: "1.0.0" },
    required: true,
    contentType: "text/plain; version=1.0.0; charset=utf-8",
  },
  {
    page: "openmetrics",
    format: "openmetrics",
    type: "application/openmetrics-text",
    parameters: { version: "1.0.0" },
    contentType: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  },
  {
    page: "protobuf",
    format: "protobuf",
    type: "application/vnd.google.protobuf",
    parameters: { proto: "io.prometheus.client.metricfamily", encoding: "delimited" },
    required: true,
    contentType: "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
  },
];

const escapings: readonly string[] = ["underscores", "dots", "values", "allow-utf-8"] satisfies Escaping[];

interface Range {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly q: number;
}

interface Match {
  readonly offer: Offer;
  readonly range: Range | undefined;
  readonly q: number;
  readonly specificity: number;
  readonly position: number;
}

/**
 * The format and the escaping for an `Accept` header, by RFC 9110 section 12.5.1 and
 * https://prometheus.io/docs/instrumenting/content_negotiation/: for each format the most specific matching range decides its weight, the
 * heavier one wins, then the more specific, then the earlier named; text 0.0.4 where nothing tells them apart, and where the header is
 * missing, unreadable or asks only for formats that are not spoken here. Parameters, where given, have to be ours. `escaping` counts with
 * the range that wins; without it, or with an unknown one, it is `underscores`, as a scraper that does not name one may be too old for
 * quoted names. Text 0.0.4 has no quotes, so there `allow-utf-8` is `underscores` too.
 */
export function negotiate(accept: string | undefined): Negotiated {
  const ranges = parseHeader(accept);
  let best: Match | undefined;
  for (const offer of offers) {
    let match: Match | undefined;
    for (const [position, range] of ranges.entries()) {
      const specificity = matches(range, offer);
      if (specificity > (match?.specificity ?? 0)) match = { offer, range, q: range.q, specificity, position };
    }
    if (match === undefined || match.q === 0) continue;
    const difference =
      best === undefined
        ? 1
        : match.q - best.q || match.specificity - best.specificity || best.position - match.position;
    if (difference > 0) best = match;
  }
  const { page, format, contentType } = best?.offer ?? fallback;
  const wanted = best?.range?.parameters.get("escaping") ?? "";
  if (!escapings.includes(wanted)) return { page, format, escaping: "underscores", contentType };
  const escaping = page === "text" && wanted === "allow-utf-8" ? "underscores" : (wanted as Escaping);
  return { page, format, escaping, contentType: `${contentType}; escaping=${escaping}` };
}

/** 0 no match, 1 any type, 2 any subtype, 3 the type, 4 the type with parameters that are ours. */
function matches(range: Range, offer: Offer): number {
  const wanted = Object.entries(offer.parameters);
  // Nobody gets a format by `*` that most clients cannot read.
  if (range.value === "*/*") return offer.required ? 0 : 1;
  if (range.value === `${offer.type.split("/", 1)[0]}/*`) return offer.required ? 0 : 2;
  if (range.value !== offer.type) return 0;
  let specificity = 3;
  for (const [name, value] of wanted) {
    const given = range.parameters.get(name);
    if (given === undefined ? offer.required : given !== value) return 0;
    if (given !== undefined) specificity = 4;
  }
  return specificity;
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
