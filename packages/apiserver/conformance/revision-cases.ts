/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-return -- answers are read as the JSON they are */
import type { Body, Client } from "./client.ts";
import type { ConformanceCase, WidgetApi } from "./case.ts";
import assert from "node:assert/strict";

interface Filled extends WidgetApi {
  /** resourceVersion of the first of `a`, `b` and `c`, which were created in this order. */
  readonly first: string;
}

async function fill({ expect }: Client, api: WidgetApi): Promise<Filled> {
  const versions: string[] = [];
  for (const name of ["a", "b", "c"]) {
    versions.push((await expect(201, "POST", api.path, api.widget(name))).metadata.resourceVersion);
  }
  // What is read at "0" or at any older revision comes from a cache that may lag behind, until it is asked for the newest.
  await expect(200, "GET", `${api.path}?resourceVersion=${versions.at(-1)}`);
  return { ...api, first: versions[0] ?? "" };
}

function names(list: Body): string[] {
  return list.items.map((one: Body) => one.metadata.name);
}

const future = "999999999999";

/** A list's answer: the names, whether it is of the revision asked for, whether there is more, and how much. */
const lists: readonly [query: string, names: string, isFirst: boolean, hasMore: boolean, remaining?: number][] = [
  ["", "a,b,c", false, false],
  ["resourceVersion=", "a,b,c", false, false],
  ["resourceVersion=0", "a,b,c", false, false],
  ["resourceVersion=FIRST", "a,b,c", false, false],
  ["resourceVersion=FIRST&resourceVersionMatch=NotOlderThan", "a,b,c", false, false],
  ["resourceVersion=FIRST&resourceVersionMatch=Exact", "a", true, false],
  ["resourceVersion=0&resourceVersionMatch=NotOlderThan", "a,b,c", false, false],
  ["limit=1", "a", false, true, 2],
  ["limit=3", "a,b,c", false, false],
  ["limit=0", "a,b,c", false, false],
  ["limit=-1", "a,b,c", false, false],
  ["limit=1&resourceVersion=0", "a,b,c", false, false],
  ["limit=1&resourceVersion=FIRST", "a", true, false],
  ["limit=2&resourceVersion=FIRST&resourceVersionMatch=Exact", "a", true, false],
  ["limit=2&resourceVersion=FIRST&resourceVersionMatch=NotOlderThan", "a,b", false, true, 1],
  ["limit=1&labelSelector=!x", "a", false, true],
  ["limit=1&fieldSelector=metadata.name!=a", "b", false, true],
  ["timeoutSeconds=5&allowWatchBookmarks=true&watch=false", "a,b,c", false, false],
  ["watch=0", "a,b,c", false, false],
];

const exactOfZero =
  'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"';
const needsVersion =
  "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided";
const notWithContinue = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided";
const notForLists = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list";
const listOptions = (problem: string): string => `ListOptions.meta.k8s.io "" is invalid: ${problem}`;
const badVersion = (text: string, why = "invalid syntax"): string =>
  `invalid resource version: resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": ${why}`;

const refusals: readonly [query: string, status: number, message: string | RegExp][] = [
  ["resourceVersion=0&resourceVersionMatch=Exact", 422, listOptions(exactOfZero)],
  ["resourceVersionMatch=NotOlderThan", 422, listOptions(needsVersion)],
  [
    "resourceVersion=1&resourceVersionMatch=Bad",
    422,
    listOptions('resourceVersionMatch: Unsupported value: "Bad": supported values: "Exact", "NotOlderThan", ""'),
  ],
  ["continue=x&resourceVersionMatch=Exact", 422, listOptions(`[${needsVersion}, ${notWithContinue}]`)],
  ["continue=x&resourceVersion=5&resourceVersionMatch=Exact", 422, listOptions(notWithContinue)],
  ["sendInitialEvents=true", 422, listOptions(notForLists)],
  ["sendInitialEvents=true&resourceVersionMatch=NotOlderThan", 422, listOptions(`[${needsVersion}, ${notForLists}]`)],
  ["resourceVersion=abc", 400, badVersion("abc")],
  ["resourceVersion=-1", 400, badVersion("-1")],
  ["resourceVersion=1.5", 400, badVersion("1.5")],
  ["resourceVersion=99999999999999999999", 400, badVersion("99999999999999999999", "value out of range")],
  ["limit=abc", 400, 'strconv.ParseInt: parsing "abc": invalid syntax'],
  ["timeoutSeconds=abc", 400, 'strconv.ParseInt: parsing "abc": invalid syntax'],
  [`resourceVersion=${future}`, 504, /^Timeout: Too large resource version: 999999999999, current: \d+$/],
  [`resourceVersion=${future}&resourceVersionMatch=Exact`, 504, /^Timeout: Too large resource version: /],
  ["resourceVersion=18446744073709551615", 504, /^Timeout: Too large resource version: 18446744073709551615, /],
];

function token(fields: Body): string {
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", ...fields })).toString("base64url");
}

const notValid = "invalid continue token: continue key is not valid: ";
const tokens: readonly [fields: Body, why: string][] = [
  [{ rv: 5 }, "encoded start key empty (version meta.k8s.io/v1)"],
  [{ rv: 5, start: "" }, "encoded start key empty (version meta.k8s.io/v1)"],
  [{ rv: 0, start: "/x" }, "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"],
  [{ v: "meta.k8s.io/v2", rv: 5, start: "/x" }, "server does not recognize this encoded version meta.k8s.io/v2"],
  [{ rv: 5, start: "../x" }, "../x"],
];

/** Lists and single objects at a resourceVersion, and pages of lists. */
export const revisionCases: readonly ConformanceCase[] = [
  ...lists.map(([query, expected, isFirst, hasMore, remaining]): ConformanceCase => ({
    name: `a list with "${query}" has ${expected}`,
    async run(context) {
      const { path, first } = await fill(context, await context.defineWidget());
      const list = await context.expect(200, "GET", `${path}?${query.replaceAll("FIRST", first)}`);
      assert.equal(names(list).join(), expected);
      assert.equal(list.metadata.resourceVersion === first, isFirst);
      assert.equal((list.metadata.continue ?? "") !== "", hasMore);
      assert.equal(list.metadata.remainingItemCount, remaining);
    },
  })),
  ...refusals.map(([query, code, message]): ConformanceCase => ({
    name: `a list with "${query}" answers ${code}`,
    async run({ expect, defineWidget }) {
      const { path } = await defineWidget();
      const status = await expect(code, "GET", `${path}?${query}`);
      if (typeof message === "string") assert.equal(status.message, message);
      else assert.match(status.message, message);
      if (code !== 504) return;
      assert.equal(status.reason, "Timeout");
      assert.deepEqual(status.details, {
        causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
        retryAfterSeconds: 1,
      });
    },
  })),
  {
    name: "a get at an older resourceVersion shows what is now, one of the future times out, nonsense answers 500",
    async run(context) {
      const { path, first } = await fill(context, await context.defineWidget());
      const { expect } = context;
      for (const version of ["0", "1", first]) {
        assert.equal((await expect(200, "GET", `${path}/c?resourceVersion=${version}`)).metadata.name, "c");
      }
      assert.equal((await expect(504, "GET", `${path}/c?resourceVersion=${future}`)).reason, "Timeout");
      assert.equal(
        (await expect(500, "GET", `${path}/c?resourceVersion=abc`)).message,
        'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
      );
    },
  },
  ...tokens.map(([fields, why]): ConformanceCase => ({
    name: `a continue token of ${JSON.stringify(fields)} answers 400`,
    async run({ expect, defineWidget }) {
      const { path } = await defineWidget();
      const status = await expect(400, "GET", `${path}?limit=1&continue=${token(fields)}`);
      assert.equal(status.message, notValid + why);
    },
  })),
  {
    name: "a continue token holds the revision and the key below the collection",
    async run(context) {
      const { path, group } = await fill(context, await context.defineWidget());
      const decode = (list: Body): Body => JSON.parse(Buffer.from(list.metadata.continue, "base64url").toString());
      const own = await context.expect(200, "GET", `${path}?limit=1`);
      assert.deepEqual(decode(own), {
        v: "meta.k8s.io/v1",
        rv: Number(own.metadata.resourceVersion),
        start: "/a\0",
      });
      const all = await context.expect(200, "GET", `/apis/${group}/v1/widgets?limit=1`);
      assert.equal(decode(all).start, `/${context.namespace}/a\0`);
    },
  },
  {
    name: "a page may be longer or shorter than the one before",
    async run(context) {
      const { path } = await fill(context, await context.defineWidget());
      const { metadata } = await context.expect(200, "GET", `${path}?limit=1`);
      const next = (query: string): Promise<Body> =>
        context.expect(200, "GET", `${path}?continue=${metadata.continue}${query}`);
      assert.deepEqual(names(await next("&limit=1")), ["b"]);
      assert.deepEqual(names(await next("&limit=5")), ["b", "c"]);
      assert.deepEqual(names(await next("")), ["b", "c"]);
      assert.deepEqual(names(await next("&limit=1&resourceVersion=0")), ["b", "c"]);
    },
  },
  {
    name: "a continue token beside a resourceVersion answers 400",
    async run(context) {
      const { path, first } = await fill(context, await context.defineWidget());
      const { metadata } = await context.expect(200, "GET", `${path}?limit=1`);
      const query = `limit=1&continue=${metadata.continue}&resourceVersion=${first}`;
      assert.equal(
        (await context.expect(400, "GET", `${path}?${query}`)).message,
        "specifying resource version is not allowed when using continue",
      );
    },
  },
  {
    name: "a continue token without a revision goes on with what is there now",
    async run(context) {
      const { path, widget } = await fill(context, await context.defineWidget());
      const { expect } = context;
      await expect(200, "DELETE", `${path}/b`);
      await expect(201, "POST", path, widget("bb"));
      const list = await expect(200, "GET", `${path}?limit=9&continue=${token({ rv: -1, start: "/a\0" })}`);
      assert.deepEqual(names(list), ["bb", "c"]);
    },
  },
  {
    name: "a page in a list of all namespaces goes on in the next one",
    async run(context) {
      const { widget, apiVersion } = await fill(context, await context.defineWidget());
      const { expect, namespace } = context;
      const other = `${namespace}z`;
      await expect(201, "POST", "/api/v1/namespaces", {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: other },
      });
      await expect(201, "POST", `/apis/${apiVersion}/namespaces/${other}/widgets`, widget("a"));
      const seen: string[] = [];
      let next = "";
      do {
        const list = await expect(200, "GET", `/apis/${apiVersion}/widgets?limit=2${next}`);
        for (const { metadata } of list.items)
          seen.push(`${metadata.namespace === namespace ? "1" : "2"}${metadata.name}`);
        next = list.metadata.continue ? `&continue=${list.metadata.continue}` : "";
      } while (next !== "");
      assert.deepEqual(seen, ["1a", "1b", "1c", "2a"]);
      await expect(200, "DELETE", `/api/v1/namespaces/${other}`);
    },
  },
  {
    name: "a list at a revision that has been forgotten answers 410",
    forgets: true,
    async run(context) {
      const { path, first } = await fill(context, await context.defineWidget());
      const { expect, server, eventually, call } = context;
      await expect(200, "DELETE", `${path}/c`);
      await server.compact();
      const status = await eventually(async () => {
        const answer = await call("GET", `${path}?resourceVersion=${first}&resourceVersionMatch=Exact`);
        assert.equal(answer.status, 410);
        return answer.body;
      }, 30);
      assert.deepEqual(status, {
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        message: "The resourceVersion for the provided list is too old.",
        reason: "Expired",
        code: 410,
      });
      await eventually(async () => {
        assert.deepEqual(names(await expect(200, "GET", `${path}?resourceVersion=${first}`)), ["a", "b"]);
      });
    },
  },
  {
    name: "a page of a list that has been forgotten answers 410 with a token to go on without consistency",
    forgets: true,
    async run(context) {
      const { path, widget } = await fill(context, await context.defineWidget());
      const { expect, server, eventually, call } = context;
      const { metadata } = await expect(200, "GET", `${path}?limit=1`);
      await expect(201, "POST", path, widget("bb"));
      await expect(200, "DELETE", `${path}/b`);
      await server.compact();
      const status = await eventually(async () => {
        const answer = await call("GET", `${path}?limit=1&continue=${metadata.continue}`);
        assert.equal(answer.status, 410);
        return answer.body;
      }, 30);
      assert.equal(status.reason, "Expired");
      assert.equal(
        status.message,
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
      );
      const rest = await expect(200, "GET", `${path}?limit=9&continue=${status.metadata.continue}`);
      assert.deepEqual(names(rest), ["bb", "c"]);
    },
  },
];
