import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createVirtualClock } from "@almanac/testkit";
import { createKubeClient } from "./client.ts";
import { KubeError } from "./error.ts";
import { eventually, startFlakyApi, things, type FlakyApi, type Thing } from "./flaky-api.test.support.ts";

const namespace = "lab";
let api: FlakyApi;
beforeEach(async () => {
  api = await startFlakyApi();
});
afterEach(() => api[Symbol.asyncDispose]());

/** The error, so that several of its fields can be looked at. */
async function failureOf(promise: Promise<unknown>): Promise<KubeError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(KubeError);
  return outcome as KubeError;
}

describe("createKubeClient", () => {
  it.each(["localhost:6443", "ftp://host", ""])("refuses the server %j", (server) => {
    expect(() => createKubeClient({ server })).toThrow(/invalid_options.*http/);
  });

  it("refuses credentials in the server's URL without repeating them", () => {
    expect(() => createKubeClient({ server: "https://me:s3cret@host" })).toThrow(/credentials/);
    expect(() => createKubeClient({ server: "https://me:s3cret@host" })).not.toThrow(/s3cret/);
  });

  it("creates, reads, replaces, patches and deletes", async () => {
    const resource = api.client().resource<Thing>(things);
    const created = await resource.create({ metadata: { namespace, name: "a" }, spec: { value: 1 } });
    expect(created).toMatchObject({ apiVersion: "example.dev/v1", kind: "Thing" });
    const replaced = await resource.replace({ ...created, spec: { value: 2 } });
    await expect(resource.replace({ ...created, spec: { value: 3 } })).rejects.toMatchObject({
      code: "conflict",
      isRetryable: true,
    });
    await resource.patch(replaced.metadata, { spec: { value: 4 } }, { type: "merge" });
    expect((await resource.get({ namespace, name: "a" })).spec).toEqual({ value: 4 });
    await resource.delete({ namespace, name: "a" });
    expect(await resource.find({ namespace, name: "a" })).toBeUndefined();
    expect(await resource.delete({ namespace, name: "a" }, { ignoreNotFound: true })).toBeUndefined();
    await expect(resource.delete({ namespace, name: "a" })).rejects.toMatchObject({ code: "not_found" });
  });

  it("sends field manager, force and media type of an apply, and fills in what identifies the object", async () => {
    api.put({ metadata: { namespace, name: "a" } });
    const resource = api.client({ userAgent: "tester/1.0 (x)" }).resource<Thing>(things);
    await resource
      .patch({ namespace, name: "a" }, { spec: { value: 1 } }, { type: "apply", force: true, subresource: "status" })
      .catch(() => {});
    const sent = api.seen.at(-1)!;
    expect(sent.path).toBe("/apis/example.dev/v1/namespaces/lab/things/a/status");
    expect(Object.fromEntries(sent.query)).toEqual({ fieldManager: "tester", force: "true" });
    expect(sent.headers["content-type"]).toBe("application/apply-patch+yaml");
    expect(sent.headers["user-agent"]).toBe("tester/1.0 (x)");
  });

  it.each(["", "a/b", ".."])("refuses the name %j before sending anything", async (name) => {
    const resource = api.client().resource<Thing>(things);
    expect((await failureOf(resource.get({ namespace, name }))).code).toBe("invalid_options");
    expect(api.seen).toHaveLength(0);
  });

  it.each([
    [404, { reason: "NotFound" }, "not_found"],
    [409, { reason: "AlreadyExists" }, "already_exists"],
    [409, { reason: "Conflict" }, "conflict"],
    [410, { reason: "Expired" }, "gone"],
    [422, { reason: "Invalid" }, "invalid"],
    [403, { reason: "Forbidden" }, "forbidden"],
    [401, { reason: "Unauthorized" }, "unauthorized"],
    [429, { reason: "TooManyRequests" }, "too_many_requests"],
    [500, { reason: "InternalError" }, "internal"],
    [503, {}, "unavailable"],
    [504, { reason: "Timeout" }, "timeout"],
    [502, "<html>bad gateway</html>", "unavailable"],
    [400, "", "bad_request"],
  ] as const)("turns HTTP %i with %j into %s", async (status, body, code) => {
    api.fault = () => ({ type: "status", status, body });
    const error = await failureOf(api.client().resource<Thing>(things).get({ namespace, name: "a" }));
    expect(error).toMatchObject({ code, httpStatus: status });
    expect(error.message).toContain("GET /apis/example.dev/v1/namespaces/lab/things/a");
  });

  it("carries the causes of a refused object", async () => {
    const causes = [{ reason: "FieldValueInvalid", field: "spec.value", message: "must be positive" }];
    api.fault = () => ({
      type: "status",
      status: 422,
      body: { kind: "Status", reason: "Invalid", message: "no", details: { causes } },
    });
    const error = await failureOf(
      api
        .client()
        .resource<Thing>(things)
        .create({ metadata: { namespace, name: "a" } }),
    );
    expect(error.causes).toEqual(causes);
  });

  it("says unavailable when nobody listens", async () => {
    const client = createKubeClient({ server: "http://127.0.0.1:1" });
    expect((await failureOf(client.request({ method: "GET", path: "/version" }))).code).toBe("unavailable");
  });

  it("says protocol for an answer that is not JSON, without quoting it", async () => {
    api.fault = () => ({ type: "raw", text: "s3cret" });
    const error = await failureOf(api.client().request({ method: "GET", path: "/version" }));
    expect(error.code).toBe("protocol");
    expect(error.message).not.toContain("s3cret");
  });

  it("waits for Retry-After and sends the request again", async () => {
    const clock = createVirtualClock();
    let throttled = 2;
    api.fault = () => (throttled-- > 0 ? { type: "status", status: 429, headers: { "retry-after": "3" } } : undefined);
    const creating = api
      .client({ clock })
      .resource<Thing>(things)
      .create({ metadata: { namespace, name: "a" } });
    await eventually(() => api.seen.length === 1 && clock.pending === 1);
    await clock.advance(2_999);
    expect(api.seen).toHaveLength(1);
    await clock.advance(1);
    await eventually(() => api.seen.length === 2);
    await eventually(
      () => api.seen.length === 3,
      () => clock.advance(1_000),
    );
    expect((await creating).metadata.name).toBe("a");
  });

  it("gives up on throttling at its deadline and passes the delay on", async () => {
    api.fault = () => ({ type: "status", status: 429, headers: { "retry-after": "29" } });
    const error = await failureOf(api.client({ timeoutMs: 10_000 }).request({ method: "GET", path: "/x" }));
    expect(error).toMatchObject({ code: "too_many_requests", retryAfterMs: 29_000 });
    expect(api.seen).toHaveLength(1);
  });

  it("repeats a GET whose connection broke, but never a POST", async () => {
    let resets = 1;
    api.fault = () => (resets-- > 0 ? { type: "reset" } : undefined);
    expect((await api.client().resource<Thing>(things).list()).items).toEqual([]);
    resets = 1;
    const error = await failureOf(
      api
        .client()
        .resource<Thing>(things)
        .create({ metadata: { namespace, name: "a" } }),
    );
    expect(error).toMatchObject({ code: "unavailable", isRetryable: true });
    expect(api.objects()).toHaveLength(0);
  });

  it("ends with timeout when no answer comes, and leaves no timer", async () => {
    const clock = createVirtualClock();
    api.fault = () => ({ type: "hang" });
    const failing = failureOf(api.client({ clock, timeoutMs: 5_000 }).request({ method: "GET", path: "/x" }));
    await eventually(() => api.seen.length === 1);
    await clock.advance(5_000);
    expect((await failing).code).toBe("timeout");
    expect(clock.pending).toBe(0);
  });

  it("ends with cancelled when the signal aborts or the client is closed", async () => {
    api.fault = () => ({ type: "hang" });
    const client = api.client();
    const stop = new AbortController();
    const first = failureOf(client.request({ method: "GET", path: "/x", signal: stop.signal }));
    await eventually(() => api.seen.length === 1);
    stop.abort(new Error("enough"));
    expect(await first).toMatchObject({ code: "cancelled", cause: expect.objectContaining({ message: "enough" }) });
    const second = failureOf(client.request({ method: "GET", path: "/x" }));
    await eventually(() => api.seen.length === 2);
    client[Symbol.dispose]();
    expect((await second).code).toBe("cancelled");
  });

  it("asks for fresh credentials once after 401 and then goes on", async () => {
    const asked: boolean[] = [];
    const auth = {
      credentials: ({ refresh }: { refresh: boolean }) => {
        asked.push(refresh);
        return Promise.resolve({ authorization: refresh ? "Bearer new" : "Bearer old" });
      },
    };
    api.fault = ({ headers }) => (headers.authorization === "Bearer new" ? undefined : { type: "status", status: 401 });
    await api
      .client({}, { auth })
      .resource<Thing>(things)
      .create({ metadata: { namespace, name: "a" } });
    expect(asked).toEqual([false, true]);
    api.fault = () => ({ type: "status", status: 401 });
    const error = await failureOf(api.client({}, { auth }).request({ method: "GET", path: "/x" }));
    expect(error.code).toBe("unauthorized");
    expect(JSON.stringify(error) + String(error.stack)).not.toMatch(/Bearer/);
  });

  it("limits the rate on the client's side", async () => {
    const clock = createVirtualClock();
    const client = api.client({ clock, rateLimit: { qps: 1, burst: 2 } });
    const all = Promise.all([1, 2, 3].map(() => client.resource<Thing>(things).list()));
    await eventually(() => api.seen.length === 2);
    await clock.advance(999);
    expect(api.seen).toHaveLength(2);
    await clock.advance(1);
    await all;
    expect(api.seen).toHaveLength(3);
  });
});

describe("ResourceClient.list", () => {
  const names = Array.from({ length: 7 }, (_, index) => `t${index}`);
  beforeEach(() => {
    for (const name of names) api.put({ metadata: { namespace, name } });
  });

  it("reads all pages", async () => {
    const list = await api.client().resource<Thing>(things).list({ limit: 3 });
    expect(list.items.map((item) => item.metadata.name)).toEqual(names);
    expect(list.items[0]).toMatchObject({ apiVersion: "example.dev/v1", kind: "Thing" });
    expect(api.seen.map((request) => request.query.get("limit"))).toEqual(["3", "3", "3"]);
  });

  it("begins anew, in one piece, when the snapshot expires between pages", async () => {
    api.fault = (request) => {
      if (api.seen.length === 2) api.put({ metadata: { namespace, name: "t9" } });
      if (request.query.has("continue")) api.compact();
      return undefined;
    };
    const list = await api.client().resource<Thing>(things).list({ limit: 3 });
    expect(list.items).toHaveLength(8);
    expect(list.resourceVersion).toBe(String(api.version));
  });

  it("takes smaller pages when one is too large", async () => {
    const list = await api.client({ maxResponseBytes: 400 }).resource<Thing>(things).list({ limit: 7 });
    expect(list.items).toHaveLength(7);
  });
});

describe("ResourceClient.watch", () => {
  it("yields events and bookmarks and closes the connection when left", async () => {
    const resource = api.client().resource<Thing>(things);
    const got: string[] = [];
    api.put({ metadata: { namespace, name: "a" } });
    for await (const event of resource.watch({ resourceVersion: "100" })) {
      got.push(event.type);
      if (got.length === 1) api.bookmark();
      if (got.length === 2) break;
    }
    expect(got).toEqual(["ADDED", "BOOKMARK"]);
    await eventually(() => api.watches === 0);
  });

  it("notices a half-open connection by its silence", async () => {
    const clock = createVirtualClock();
    const resource = api.client({ clock }).resource<Thing>(things);
    const watching = failureOf(
      (async () => {
        for await (const event of resource.watch({ resourceVersion: "100", idleTimeoutMs: 60_000 })) void event;
      })(),
    );
    await eventually(() => api.watches === 1);
    await clock.advance(59_000);
    api.bookmark();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await clock.advance(59_000);
    expect(api.watches).toBe(1);
    await clock.advance(1_000);
    expect((await watching).code).toBe("timeout");
    expect(clock.pending).toBe(0);
  });

  it("keeps no more than the limit of a line that never ends", async () => {
    api.fault = () => ({ type: "stream", how: "long-line" });
    const resource = api.client({ maxLineBytes: 10_000 }).resource<Thing>(things);
    const error = await failureOf(resource.watch({ resourceVersion: "100" }).next());
    expect(error).toMatchObject({ code: "protocol", reason: "LineTooLong" });
  });
});
