import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { startTraceSink } from "./trace-sink.ts";

const body = JSON.stringify({
  resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: "a".repeat(32), spanId: "b".repeat(16), name: "hello" }] }] }],
});

function post(
  url: string,
  data: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url, { method: "POST", body: data, headers: { "content-type": "application/json", ...headers } });
}

describe("startTraceSink", () => {
  it("takes OTLP/JSON, plain and gzipped, and shows it", async () => {
    await using sink = await startTraceSink({ port: 0 });
    expect((await post(`${sink.url}/v1/traces`, body)).status).toBe(200);
    const zipped = new Uint8Array(gzipSync(body));
    expect((await post(`${sink.url}/v1/traces`, zipped, { "content-encoding": "gzip" })).status).toBe(200);
    expect(await (await fetch(`${sink.url}/traces`)).text()).toContain("hello");
    expect(await (await fetch(`${sink.url}/traces/${"a".repeat(32)}`)).text()).toContain("hello");
    expect((await fetch(`${sink.url}/traces/${"c".repeat(32)}`)).status).toBe(404);
  });

  it("acknowledges metrics", async () => {
    await using sink = await startTraceSink({ port: 0 });
    expect((await post(`${sink.url}/v1/metrics`, "{}")).status).toBe(200);
  });

  it("refuses one batch of a service when told to, and shows its spans all the same", async () => {
    await using sink = await startTraceSink({ port: 0, refuseOnce: true });
    const statuses = [];
    for (let batch = 0; batch < 4; batch++) statuses.push((await post(`${sink.url}/v1/traces`, body)).status);
    expect(statuses).toEqual([200, 400, 200, 200]);
    expect(sink.store.list(1)[0]?.spans).toBe(4);
  });

  it.each([
    ["text that is no JSON", "{", 400],
    ["JSON that is no request", "null", 400],
    ["a body over the limit", "x".repeat(9 * 1024 * 1024), 400],
  ])("answers 4xx to %s and goes on", async (_name, text, status) => {
    await using sink = await startTraceSink({ port: 0 });
    expect((await post(`${sink.url}/v1/traces`, text)).status).toBe(status);
    expect((await post(`${sink.url}/v1/traces`, body)).status).toBe(200);
  });
});
