import { describe, expect, it } from "vitest";
import { createTraceStore } from "./trace-store.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";

function request(service: string, spans: readonly object[]): object {
  return {
    resourceSpans: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: service } }] },
        scopeSpans: [{ spans }],
      },
    ],
  };
}

function span(spanId: string, name: string, startMs: number, endMs: number, parentSpanId = ""): object {
  const at = (ms: number): string => `${1_700_000_000_000 + ms}000000`;
  return { traceId, spanId, parentSpanId, name, startTimeUnixNano: at(startMs), endTimeUnixNano: at(endMs) };
}

describe("createTraceStore", () => {
  it("joins the spans of two services into one tree", () => {
    const store = createTraceStore();
    store.add(request("provider", [span("b", "CreateVM", 10, 40, "a")]));
    store.add(request("manager", [span("a", "reconcile", 0, 50)]));
    expect(store.list(10)).toMatchObject([{ traceId, root: "reconcile", spans: 2, durationMs: 50, failed: false }]);
    const lines = store.render(traceId)?.trimEnd().split("\n") ?? [];
    expect(lines[0]).toMatch(/\+0\.0 ms\s+50\.0 ms {2}reconcile {2}\[manager\]/);
    expect(lines[1]).toMatch(/\+10\.0 ms\s+30\.0 ms {4}CreateVM {2}\[provider\]/);
  });

  it("shows a span whose parent never came", () => {
    const store = createTraceStore();
    store.add(request("provider", [span("b", "orphan", 0, 1, "missing")]));
    expect(store.render(traceId)).toContain("orphan");
  });

  it("marks failure, whichever way the status is written", () => {
    for (const code of [2, "STATUS_CODE_ERROR"]) {
      const store = createTraceStore();
      store.add(request("manager", [{ ...span("a", "x", 0, 1), status: { code } }]));
      expect(store.list(1)[0]?.failed).toBe(true);
    }
  });

  it("keeps no more traces and spans than it may", () => {
    const store = createTraceStore({ maxTraces: 3, maxSpansPerTrace: 2 });
    for (let trace = 0; trace < 10; trace++) {
      for (let number = 0; number < 5; number++) {
        const id = trace.toString(16).padStart(32, "0");
        store.add(request("s", [{ ...span(`${trace}-${number}`, "x", 0, 1), traceId: id }]));
      }
    }
    expect(store.size).toBe(3);
    expect(store.list(10).map(({ spans }) => spans)).toEqual([2, 2, 2]);
  });

  it("names the sender, and refuses what is no trace request", () => {
    expect(createTraceStore().add(request("manager", []))).toBe("manager");
    expect(createTraceStore().add({})).toBe("unknown_service");
    expect(() => createTraceStore().add(null)).toThrow("no ExportTraceServiceRequest");
  });
});
