import { textSuffixes } from "./assembly.ts";
import type {
  ParsedExemplar,
  ParsedFamily,
  ParsedNativeHistogram,
  ParsedPage,
  ParsedSample,
  ParsedType,
} from "./model.ts";
import { readExemplar, readLabel } from "./protobuf-exemplar.ts";
import { readHistogram } from "./protobuf-histogram.ts";
import { WireReader } from "./wire.ts";

const types: readonly ParsedType[] = ["counter", "gauge", "summary", "unknown", "histogram", "gaugehistogram"];
/** Number of the field in `Metric` that holds the value, by the number of the type. */
const valueFields = [3, 2, 4, 5, 7, 7] as const;

/**
 * Messages `io.prometheus.client.MetricFamily`, each behind its length
 * (https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto). Unknown fields are passed over.
 */
export function parseProtobuf(buffer: Uint8Array): ParsedPage {
  const page = new WireReader(buffer);
  const families = new Map<string, ParsedFamily>();
  const owners = new Map<string, string>();
  while (!page.done) {
    const start = page.at;
    const family = readFamily(page.delimited());
    for (const suffix of new Set(["", ...(textSuffixes[family.type] ?? textSuffixes.histogram ?? [])])) {
      const owner = owners.get(family.name + suffix);
      if (owner !== undefined) throw page.error(`${family.name} would share a name with ${owner}`, start);
      owners.set(family.name + suffix, family.name);
    }
    families.set(family.name, family);
  }
  return families;
}

function readFamily(reader: WireReader): ParsedFamily {
  let name = "";
  let help = "";
  let unit = "";
  // The type may follow the metrics that need it.
  let typeNumber = 0;
  const metrics: WireReader[] = [];
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) name = reader.text();
    else if (field === 2) help = reader.text();
    else if (field === 3) typeNumber = reader.signed();
    else if (field === 4) metrics.push(reader.message());
    else if (field === 5) unit = reader.text();
    else reader.skip();
  }
  const type = types[typeNumber];
  if (name === "") throw reader.error("a family without a name");
  if (type === undefined) throw reader.error(`${typeNumber} is no metric type`);
  const samples: ParsedSample[] = [];
  const nativeHistograms: ParsedNativeHistogram[] = [];
  const seen = new Set<string>();
  for (const metric of metrics) readMetric(metric, { name, type, typeNumber, samples, nativeHistograms, seen });
  return { name, type, help, unit, samples, nativeHistograms };
}

interface Target {
  readonly name: string;
  readonly type: ParsedType;
  readonly typeNumber: number;
  readonly samples: ParsedSample[];
  readonly nativeHistograms: ParsedNativeHistogram[];
  readonly seen: Set<string>;
}

function readMetric(reader: WireReader, target: Target): void {
  const { name, type, typeNumber, samples } = target;
  const labels = new Map<string, string>();
  let timestampMs: number | undefined;
  let value: WireReader | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) readLabel(reader, labels);
    else if (field === 6) timestampMs = reader.signed();
    else if (field === valueFields[typeNumber]) value = reader.message();
    else if (field >= 2 && field <= 7) throw reader.error(`a ${type} must not hold the value of another type`);
    else reader.skip();
  }
  if (value === undefined) throw reader.error(`a metric of ${name} has no value of a ${type}`);
  const key = JSON.stringify([timestampMs, ...[...labels].sort(([a], [b]) => (a < b ? -1 : 1))]);
  if (target.seen.has(key)) throw reader.error(`a second metric of ${name} with these labels`);
  target.seen.add(key);
  if (type === "histogram" || type === "gaugehistogram") {
    readHistogram(value, { name, type, labels, timestampMs, samples, nativeHistograms: target.nativeHistograms });
  } else if (type === "summary") {
    readSummary(value, name, labels, timestampMs, samples);
  } else {
    samples.push(readValue(value, target, labels, timestampMs));
  }
}

function readValue(
  reader: WireReader,
  { name, type }: Target,
  labels: ReadonlyMap<string, string>,
  timestampMs: number | undefined,
): ParsedSample {
  let value = 0;
  let exemplar: ParsedExemplar | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) value = reader.double();
    else if (field === 2 && type === "counter") exemplar = readExemplar(reader.message());
    else reader.skip();
  }
  if (type === "counter" && !(value >= 0)) throw reader.error(`the counter ${name} must not be ${value}`);
  return { name, labels, value, timestampMs, exemplar };
}

function readSummary(
  reader: WireReader,
  name: string,
  labels: ReadonlyMap<string, string>,
  timestampMs: number | undefined,
  samples: ParsedSample[],
): void {
  let count = 0;
  let sum = 0;
  const seen = new Set<number>();
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) count = reader.unsigned();
    else if (field === 2) sum = reader.double();
    else if (field === 3) {
      const part = reader.message();
      let quantile = 0;
      let value = 0;
      for (let inner = part.next(); inner !== 0; inner = part.next()) {
        if (inner === 1) quantile = part.double();
        else if (inner === 2) value = part.double();
        else part.skip();
      }
      if (!(quantile >= 0 && quantile <= 1)) throw part.error(`a quantile lies between 0 and 1, not ${quantile}`);
      if (seen.has(quantile)) throw part.error(`the quantile ${quantile} twice`);
      seen.add(quantile);
      const quantileLabels = new Map(labels).set("quantile", String(quantile));
      samples.push({ name, labels: quantileLabels, value, timestampMs, exemplar: undefined });
    } else reader.skip();
  }
  samples.push({ name: `${name}_sum`, labels, value: sum, timestampMs, exemplar: undefined });
  samples.push({ name: `${name}_count`, labels, value: count, timestampMs, exemplar: undefined });
}
