import { describe, expect, it } from "vitest";
import { count, each, key, mapOf, oneOf, text, texts, time, whole } from "./decode.ts";

interface Point {
  readonly at: number;
  readonly name?: string;
}

const point = whole<Point>({ at: time, name: text }, ["name"]);

describe("whole", () => {
  it("leaves out what is not named", () => {
    expect(point({ at: 1, name: "x", more: {} })).toEqual({ at: 1, name: "x" });
    expect(point({ at: 1 })).toEqual({ at: 1 });
  });

  it.each([undefined, null, 7, "x", [], {}, { at: "1" }, { at: 1, name: null }, { at: 1, name: "" }, { name: "x" }])(
    "reads nothing of %j",
    (value) => expect(point(value)).toBeUndefined(),
  );

  it("takes nothing from a prototype", () => {
    expect(point(Object.create({ at: 1 }))).toBeUndefined();
  });
});

describe("each", () => {
  it.each([
    [{ at: 1, name: 7 }, { at: 1 }],
    [{ at: -1, name: "x" }, { name: "x" }],
    [null, {}],
    [[1], {}],
  ])("reads of %j what can be read", (value, found) => {
    expect(each<Point>({ at: time, name: text })(value)).toEqual(found);
  });
});

describe("texts", () => {
  it.each([{}, { tags: "x", image: "" }])("reads %j", (value) => expect(texts(value)).toEqual(value));

  it.each([null, "x", ["x"], { tags: "x", image: 7 }])("reads nothing of %j", (value) => {
    expect(texts(value)).toBeUndefined();
  });
});

describe("key", () => {
  it.each(["lab", "/lab", "default/", "a/b/c", "", 7])("reads nothing of %j", (value) => {
    expect(key(value)).toBeUndefined();
    expect(key("default/lab")).toBe("default/lab");
  });
});

describe("mapOf", () => {
  const isShort = (key: string): key is string => key.length === 1;

  it("leaves out entries that cannot be read, and is none without any", () => {
    expect(mapOf(count, isShort)({ a: 1, b: -1, c: 1.5, long: 2 })).toEqual({ a: 1 });
    expect(mapOf(count, isShort)({ b: -1 })).toBeUndefined();
    expect(mapOf(count, isShort)(JSON.parse('{"__proto__":1}'))).toBeUndefined();
  });
});

describe("time", () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 9e18, "5", null])("is not %j", (value) => {
    expect(time(value)).toBeUndefined();
  });
});

describe("oneOf", () => {
  it("takes members only", () => {
    const decode = oneOf(["On", "Off"]);
    expect(["On", "off", "toString", null].map(decode)).toEqual(["On", undefined, undefined, undefined]);
  });
});
