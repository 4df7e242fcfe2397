/** One span as it arrived, times in nanoseconds since the Unix epoch. */
export interface StoredSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly service: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly failed: boolean;
}

/** A trace in one line, for lists. Durations in milliseconds. */
export interface TraceSummary {
  readonly traceId: string;
  readonly root: string;
  readonly services: readonly string[];
  readonly spans: number;
  readonly durationMs: number;
  readonly failed: boolean;
}

/** The newest traces, in memory. */
export interface TraceStore {
  readonly size: number;
  /**
   * Takes the spans of one `ExportTraceServiceRequest` in OTLP's JSON encoding and gives the sender's `service.name`. Throws for what
   * is no such request.
   */
  add(request: unknown): string;
  /** Newest first. */
  list(limit: number): TraceSummary[];
  /** The spans of a trace as an indented tree, or undefined for an unknown trace. */
  render(traceId: string): string | undefined;
}

interface OtlpSpan {
  readonly traceId?: string;
  readonly spanId?: string;
  readonly parentSpanId?: string;
  readonly name?: string;
  readonly startTimeUnixNano?: string | number;
  readonly endTimeUnixNano?: string | number;
  readonly status?: { readonly code?: number | string };
}

interface OtlpTraceRequest {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly { key: string; value?: { stringValue?: string } }[] };
    readonly scopeSpans?: readonly { readonly spans?: readonly OtlpSpan[] }[];
  }[];
}

/** Keeps the newest `maxTraces` (default 500) traces of at most `maxSpansPerTrace` (default 500) spans each. */
export function createTraceStore(
  options: { readonly maxTraces?: number; readonly maxSpansPerTrace?: number } = {},
): TraceStore {
  const { maxTraces = 500, maxSpansPerTrace = 500 } = options;
  // Insertion order is age: a trace that gets another span moves to the end.
  const traces = new Map<string, StoredSpan[]>();

  function put(span: StoredSpan): void {
    const spans = traces.get(span.traceId) ?? [];
    if (spans.length < maxSpansPerTrace) spans.push(span);
    traces.delete(span.traceId);
    traces.set(span.traceId, spans);
    if (traces.size <= maxTraces) return;
    const oldest = traces.keys().next();
    if (!oldest.done) traces.delete(oldest.value);
  }

  return {
    get size() {
      return traces.size;
    },
    add(request) {
      if (typeof request !== "object" || request === null) {
        throw new Error("the body is no ExportTraceServiceRequest; send OTLP traces in the JSON encoding");
      }
      let sender = "unknown_service";
      for (const { resource, scopeSpans } of (request as OtlpTraceRequest).resourceSpans ?? []) {
        const name = resource?.attributes?.find((attribute) => attribute.key === "service.name");
        const service = name?.value?.stringValue ?? sender;
        sender = service;
        for (const span of (scopeSpans ?? []).flatMap((scope) => scope.spans ?? [])) {
          if (!span.traceId || !span.spanId) continue;
          put({
            traceId: span.traceId,
            spanId: span.spanId,
            parentSpanId: span.parentSpanId || undefined,
            name: span.name ?? "",
            service,
            startNs: BigInt(span.startTimeUnixNano ?? 0),
            endNs: BigInt(span.endTimeUnixNano ?? 0),
            failed: span.status?.code === 2 || span.status?.code === "STATUS_CODE_ERROR",
          });
        }
      }
      return sender;
    },
    list(limit) {
      return [...traces.values()].slice(-limit).reverse().map(summarise);
    },
    render(traceId) {
      const spans = traces.get(traceId);
      return spans && renderTree(spans);
    },
  };
}

function summarise(spans: readonly StoredSpan[]): TraceSummary {
  const ordered = [...spans].sort(byStart);
  const ids = new Set(spans.map((span) => span.spanId));
  const root = ordered.find((span) => span.parentSpanId === undefined || !ids.has(span.parentSpanId)) ?? ordered[0];
  return {
    traceId: root?.traceId ?? "",
    root: root?.name ?? "",
    services: [...new Set(spans.map((span) => span.service))],
    spans: spans.length,
    durationMs: spread(spans),
    failed: spans.some((span) => span.failed),
  };
}

function renderTree(spans: readonly StoredSpan[]): string {
  const children = Map.groupBy([...spans].sort(byStart), (span) =>
    spans.some((other) => other.spanId === span.parentSpanId) ? span.parentSpanId : undefined,
  );
  const start = spans.reduce((first, span) => (span.startNs < first ? span.startNs : first), spans[0]?.startNs ?? 0n);
  const lines: string[] = [];
  const visit = (parent: string | undefined, depth: number): void => {
    for (const span of children.get(parent) ?? []) {
      const offset = `+${milliseconds(span.startNs - start)}`.padStart(11);
      const duration = milliseconds(span.endNs - span.startNs).padStart(11);
      lines.push(
        `${offset} ${duration}  ${"  ".repeat(depth)}${span.name}  [${span.service}]${span.failed ? "  ERROR" : ""}`,
      );
      visit(span.spanId, depth + 1);
    }
  };
  visit(undefined, 0);
  return `${lines.join("\n")}\n`;
}

function spread(spans: readonly StoredSpan[]): number {
  const first = spans.reduce((least, span) => (span.startNs < least ? span.startNs : least), spans[0]?.startNs ?? 0n);
  const last = spans.reduce((most, span) => (span.endNs > most ? span.endNs : most), 0n);
  return Number(last - first) / 1e6;
}

function milliseconds(nanoseconds: bigint): string {
  return `${(Number(nanoseconds) / 1e6).toFixed(1)} ms`;
}

function byStart(a: StoredSpan, b: StoredSpan): number {
  return a.startNs < b.startNs ? -1 : a.startNs > b.startNs ? 1 : 0;
}
