import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import type { IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrometheusReader, loadWebConfig, parsePage, startMetricsServer } from "@almanac/exposition";
import { createMeterProvider } from "@almanac/metrics";
import { createTestPki, createVirtualClock, writeTestCertificate, type TestPki } from "@almanac/testkit";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { printed, seriesOf } from "../page.test.helper.ts";

const folder = "the-metrics-endpoint";

/** What docs/guides/the-metrics-endpoint.md says. */
describe("the guide of the endpoint", () => {
  it("has the whole file of TLS and access", async () => {
    const guide = await readFile("docs/guides/the-metrics-endpoint.md", "utf8");
    expect(guide).toContain(`\`\`\`yaml\n${await readFile("examples/web-config.yaml", "utf8")}\`\`\`\n`);
  });

  it("names what each scraper gets, in its format and escaping", async () => {
    const lines = (await printed(`${folder}/formats.ts`)).split("\n");
    expect(lines.filter((line) => line.includes("charset") || line.includes("proto="))).toHaveLength(4);
    expect(lines).toContain('shop_orders{order_outcome="paid"} 3');
    expect(lines).toContain('{"shop.orders","order.outcome"="paid"} 3');
    expect(lines).toContain('shop_dot_orders{order_dot_outcome="paid"} 3');
    expect(lines.join()).not.toContain("stock");
  });

  it("shows a native histogram in protobuf, and one bucket in text", async () => {
    const [first, ...page] = (await printed(`${folder}/native-histogram.ts`)).split("\n");
    expect(first).toBe("{ schema: 4, count: 3, sum: 7.37, buckets: 3 }");
    expect(seriesOf(parsePage(page.join("\n"), "text"))).toEqual({
      "shop_order_duration_seconds_bucket{le=+Inf,outcome=paid}": 3,
      "shop_order_duration_seconds_count{outcome=paid}": 3,
      "shop_order_duration_seconds_sum{outcome=paid}": 7.37,
    });
  });

  it("tells the ways to remove series apart", async () => {
    expect((await printed(`${folder}/series-that-end.ts`)).trim().split("\n")).toEqual([
      "2 removed: all with this label",
      "1 removed: the whole family",
      "true removed: the series without attributes, if there is one",
      "1 removed: all with this attribute",
      "2 removed: of all instruments",
      "# the end",
    ]);
  });

  it("sums what is beyond the limit up in one series, and counts it", async () => {
    expect(seriesOf(parsePage(await printed(`${folder}/cardinality.ts`), "text"))).toEqual({
      "shop_orders_total{product=tea}": 2,
      "shop_orders_total{product=rice}": 1,
      "shop_orders_total{otel_metric_overflow=true}": 2,
      "almanac_catalog_violations_total{family=shop_orders_total,reason=cardinality}": 2,
    });
  });

  it("parses strictly, and says where a page is wrong", async () => {
    const page = await printed(`${folder}/parse.ts`);
    expect(page).toContain("shop_orders counter shop_orders_total { outcome: 'paid' } 3\ninvalid_page { line: 2,");
  });
});

describe("the example of --web.config.file", () => {
  let place = "";
  let pki: TestPki;
  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), "web-config-example-"));
    pki = await createTestPki();
  });
  afterAll(() => rm(place, { recursive: true }));

  function get(
    port: number,
    headers: Record<string, string>,
  ): Promise<{ status: number | undefined; headers: IncomingHttpHeaders }> {
    return new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, path: "/metrics", ca: pki.ca, agent: false, headers }, (answer) => {
        answer.resume().on("end", () => resolve({ status: answer.statusCode, headers: answer.headers }));
      })
        .on("error", reject)
        .end();
    });
  }

  it("lets in who has the password or the token, and follows changes but not that of TLS", async () => {
    const file = join(place, "web-config.yaml");
    await copyFile("examples/web-config.yaml", file);
    await writeTestCertificate(place, await pki.issue({ sans: ["127.0.0.1"] }));
    await writeFile(join(place, "metrics.token"), "abc\n");
    const clock = createVirtualClock();
    const error = vi.fn();
    const info = vi.fn();
    const logger = { debug: vi.fn(), info, warn: vi.fn(), error, child: () => logger };
    using webConfig = await loadWebConfig({ file, clock, logger });
    const reader = createPrometheusReader();
    const meterProvider = createMeterProvider({ readers: [reader] });
    meterProvider.getMeter("shop").createCounter("shop.orders").add(1);
    await using server = await startMetricsServer(reader, { webConfig });
    const { port } = server;
    const password = `Basic ${Buffer.from("prometheus:open-sesame").toString("base64")}`;

    expect((await get(port, {})).status).toBe(401);
    expect((await get(port, { authorization: password })).status).toBe(200);
    const answer = await get(port, { authorization: "Bearer abc" });
    expect(answer.status).toBe(200);
    expect(answer.headers["strict-transport-security"]).toBe("max-age=31536000");

    await writeFile(join(place, "metrics.token.new"), "xyz\n");
    await rename(join(place, "metrics.token.new"), join(place, "metrics.token"));
    await clock.advance(5_000);
    await vi.waitFor(() => expect(info).toHaveBeenCalledWith("web configuration reloaded", { file }));
    expect((await get(port, { authorization: "Bearer abc" })).status).toBe(401);
    expect((await get(port, { authorization: "Bearer xyz" })).status).toBe(200);

    const commented = await readFile(file, "utf8");
    await writeFile(file, commented.replace(/# (client_auth_type|client_ca_file)/g, "$1"));
    await clock.advance(5_000);
    await vi.waitFor(() => expect(error).toHaveBeenCalledOnce());
    expect(JSON.stringify(error.mock.calls)).toContain("restart");
    expect((await get(port, { authorization: "Bearer xyz" })).status).toBe(200);
    await meterProvider.shutdown();
  });
});
