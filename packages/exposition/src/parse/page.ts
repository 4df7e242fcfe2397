import { checkOption, oneOf, textOrBytes } from "../options.ts";
import { pageFormats, type PageFormat, type ParsedPage } from "./model.ts";
import { parseOpenMetrics } from "./openmetrics.ts";
import { parseProtobuf } from "./protobuf.ts";
import { decodePage } from "./scanner.ts";
import { parseText } from "./text.ts";

/**
 * Reads a page as strictly as its format's specification is written, more strictly than Prometheus does: what the specification forbids
 * but scrapers let pass (a family in two blocks, histograms that do not add up) is an error here. Takes any bytes; time and memory
 * grow linearly with them. Text may come decoded; a string for protobuf is one of its bytes, as in Latin-1.
 *
 * @throws ExpositionError `invalid_page` with `position`: line and column, or the byte's offset in protobuf; `invalid_options` for what is
 * no format, or neither text nor bytes. Nothing else.
 */
export function parsePage(page: string | Uint8Array, format: PageFormat): ParsedPage {
  checkOption("page", page, textOrBytes);
  checkOption("format", format, oneOf(pageFormats));
  switch (format) {
    case "text":
      return parseText(decodePage(page), false);
    case "text-1.0.0":
      return parseText(decodePage(page), true);
    case "openmetrics":
      return parseOpenMetrics(decodePage(page));
    case "protobuf":
      return parseProtobuf(typeof page === "string" ? Buffer.from(page, "latin1") : page);
  }
}
