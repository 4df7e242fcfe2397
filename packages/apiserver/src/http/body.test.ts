import { describe, expect, it } from "vitest";
import { createApiServer } from "../server.ts";

async function post(url: string, token: string, body: string, type = "application/json"): Promise<Response> {
  return fetch(`${url}/api/v1/namespaces/default/configmaps`, {
    method: "POST",
    body,
    headers: { authorization: `Bearer ${token}`, "content-type": type },
  });
}

describe("request bodies", () => {
  it("are answered with 413 when they are too long, after they were sent", async () => {
    await using server = await createApiServer({ bodyLimitBytes: 1_000 });
    const response = await post(server.url, server.token, JSON.stringify({ data: "x".repeat(20_000_000) }));
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ kind: "Status", code: 413 });
  });

  it.each([
    ["JSON", "application/json", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
    ["an object", "application/json", `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`],
    ["YAML", "application/yaml", "[".repeat(3_000) + "]".repeat(3_000)],
  ])("are answered with 400 when %s is nested too deeply", async (_name, type, body) => {
    await using server = await createApiServer({});
    const response = await post(server.url, server.token, body, type);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ reason: "BadRequest" });
  });
});
