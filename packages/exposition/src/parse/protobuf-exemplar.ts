import type { ParsedExemplar } from "./model.ts";
import type { WireReader } from "./wire.ts";

/** Adds one `LabelPair` to the labels of a metric or an exemplar. */
export function readLabel(reader: WireReader, labels: Map<string, string>): void {
  const pair = reader.message();
  let name = "";
  let value = "";
  for (let field = pair.next(); field !== 0; field = pair.next()) {
    if (field === 1) name = pair.text();
    else if (field === 2) value = pair.text();
    else pair.skip();
  }
  if (name === "" || name === "__name__") throw pair.error(`${JSON.stringify(name)} is no label`);
  if (labels.has(name)) throw pair.error(`the label ${JSON.stringify(name)} twice`);
  labels.set(name, value);
}

export function readExemplar(reader: WireReader): ParsedExemplar {
  const labels = new Map<string, string>();
  let value = 0;
  let timestampMs: number | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) readLabel(reader, labels);
    else if (field === 2) value = reader.double();
    else if (field === 3) timestampMs = readTimestamp(reader.message());
    else reader.skip();
  }
  return { labels, value, timestampMs };
}

function readTimestamp(reader: WireReader): number {
  let seconds = 0;
  let nanoseconds = 0;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) seconds = reader.signed();
    else if (field === 2) nanoseconds = reader.signed();
    else reader.skip();
  }
  if (!(nanoseconds >= 0 && nanoseconds < 1e9)) {
    throw reader.error(`a timestamp's nanoseconds lie between 0 and 999999999, not ${nanoseconds}`);
  }
  return seconds * 1000 + nanoseconds / 1e6;
}
