import protobuf from "protobufjs";

/*
 * A decoder that shares nothing with the writers under test: protobufjs with the message types of opentelemetry-proto 1.9, in one package
 * and without deprecated fields.
 */
const source = `
syntax = "proto3";
package otlp;

message ExportMetricsServiceRequest { repeated ResourceMetrics resource_metrics = 1; }
message ExportMetricsServiceResponse { ExportMetricsPartialSuccess partial_success = 1; }
message ExportMetricsPartialSuccess { int64 rejected_data_points = 1; string error_message = 2; }

message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; string schema_url = 3; }
message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
message ScopeMetrics { InstrumentationScope scope = 1; repeated Metric metrics = 2; string schema_url = 3; }
message InstrumentationScope { string name = 1; string version = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }

message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue {
  oneof value {
    string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
    ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7;
  }
}
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }

message Metric {
  string name = 1; string description = 2; string unit = 3;
  oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9; ExponentialHistogram exponential_histogram = 10; }
}
message Gauge { repeated NumberDataPoint data_points = 1; }
message Sum { repeated NumberDataPoint data_points = 1; int32 aggregation_temporality = 2; bool is_monotonic = 3; }
message Histogram { repeated HistogramDataPoint data_points = 1; int32 aggregation_temporality = 2; }
message ExponentialHistogram { repeated ExponentialHistogramDataPoint data_points = 1; int32 aggregation_temporality = 2; }

message NumberDataPoint {
  repeated KeyValue attributes = 7; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
  oneof value { double as_double = 4; sfixed64 as_int = 6; }
  repeated Exemplar exemplars = 5; uint32 flags = 8;
}
message HistogramDataPoint {
  repeated KeyValue attributes = 9; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
  fixed64 count = 4; optional double sum = 5; repeated fixed64 bucket_counts = 6; repeated double explicit_bounds = 7;
  repeated Exemplar exemplars = 8; uint32 flags = 10; optional double min = 11; optional double max = 12;
}
message ExponentialHistogramDataPoint {
  repeated KeyValue attributes = 1; fixed64 start_time_unix_nano = 2; fixed64 time_unix_nano = 3;
  fixed64 count = 4; optional double sum = 5; sint32 scale = 6; fixed64 zero_count = 7;
  Buckets positive = 8; Buckets negative = 9; uint32 flags = 10; repeated Exemplar exemplars = 11;
  optional double min = 12; optional double max = 13; double zero_threshold = 14;
  message Buckets { sint32 offset = 1; repeated uint64 bucket_counts = 2; }
}
message Exemplar {
  repeated KeyValue filtered_attributes = 7; fixed64 time_unix_nano = 2;
  oneof value { double as_double = 3; sfixed64 as_int = 6; }
  bytes span_id = 4; bytes trace_id = 5;
}

message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; string schema_url = 3; }
message ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; string schema_url = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8;
  repeated KeyValue attributes = 9; uint32 dropped_attributes_count = 10;
  repeated Event events = 11; uint32 dropped_events_count = 12;
  repeated Link links = 13; uint32 dropped_links_count = 14;
  SpanStatus status = 15; fixed32 flags = 16;
  message Event { fixed64 time_unix_nano = 1; string name = 2; repeated KeyValue attributes = 3; uint32 dropped_attributes_count = 4; }
  message Link {
    bytes trace_id = 1; bytes span_id = 2; string trace_state = 3;
    repeated KeyValue attributes = 4; uint32 dropped_attributes_count = 5; fixed32 flags = 6;
  }
}
message SpanStatus { string message = 2; int32 code = 3; }

message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
message Any { string type_url = 1; bytes value = 2; }
message RetryInfo { Duration retry_delay = 1; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
`;

const { root } = protobuf.parse(source);

type MessageName = "ExportMetricsServiceRequest" | "ExportMetricsServiceResponse" | "Status" | "RetryInfo";

export interface AnyValueMessage {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values: readonly AnyValueMessage[] };
  readonly kvlistValue?: { readonly values: readonly KeyValueMessage[] };
  readonly bytesValue?: string;
}

export interface KeyValueMessage {
  readonly key: string;
  readonly value: AnyValueMessage;
}

export interface ExemplarMessage {
  readonly timeUnixNano: string;
  readonly asDouble?: number;
  readonly asInt?: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly filteredAttributes: readonly KeyValueMessage[];
}

export interface PointMessage {
  readonly attributes: readonly KeyValueMessage[];
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
  readonly asDouble?: number;
  readonly asInt?: string;
  readonly count?: string;
  readonly exemplars: readonly ExemplarMessage[];
}

export interface MetricMessage {
  readonly name: string;
  readonly unit: string;
  readonly gauge?: { readonly dataPoints: readonly PointMessage[] };
  readonly sum?: { readonly dataPoints: readonly PointMessage[] };
  readonly histogram?: { readonly dataPoints: readonly PointMessage[] };
  readonly exponentialHistogram?: { readonly dataPoints: readonly PointMessage[] };
}

/** 64-bit integers as texts, bytes in base64, every field that has presence only if it is there. */
export interface RequestMessage {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: readonly KeyValueMessage[] };
    readonly scopeMetrics: readonly { readonly metrics: readonly MetricMessage[] }[];
  }[];
}

const shape = { longs: String, bytes: String, defaults: true } as const;

export function decodeRequest(bytes: Uint8Array = new Uint8Array()): RequestMessage {
  const type = root.lookupType("otlp.ExportMetricsServiceRequest");
  return type.toObject(type.decode(bytes), shape) as unknown as RequestMessage;
}

/** From OTLP's JSON, whose only difference from protobuf's is that ids are hexadecimal. */
export function decodeJsonRequest(bytes: Uint8Array = Buffer.from("{}")): RequestMessage {
  const type = root.lookupType("otlp.ExportMetricsServiceRequest");
  const ids = new Set(["traceId", "spanId"]);
  const json = JSON.parse(Buffer.from(bytes).toString(), (key, value: unknown) =>
    ids.has(key) ? Buffer.from(value as string, "hex").toString("base64") : value,
  ) as Record<string, unknown>;
  // Through the wire, so that what is equal looks equal.
  return decodeRequest(type.encode(type.fromObject(json)).finish());
}

/** A request with spans, as plain objects. */
export function decodeTraceRequest(bytes: Uint8Array): object {
  const type = root.lookupType("otlp.ExportTraceServiceRequest");
  return type.toObject(type.decode(bytes), shape);
}

export function encodeMessage(name: MessageName, fields: Record<string, unknown>): Buffer {
  const type = root.lookupType(`otlp.${name}`);
  return Buffer.from(type.encode(type.fromObject(fields)).finish());
}

export function pointsOf(metric: MetricMessage | undefined): readonly PointMessage[] {
  return (metric?.gauge ?? metric?.sum ?? metric?.histogram ?? metric?.exponentialHistogram)?.dataPoints ?? [];
}

export function metricsOf({ resourceMetrics }: RequestMessage): readonly MetricMessage[] {
  return resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
}
