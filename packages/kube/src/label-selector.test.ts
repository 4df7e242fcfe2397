import { describe, expect, it } from "vitest";
import { parseLabelSelector } from "./label-selector.ts";

describe("parseLabelSelector", () => {
  it.each([
    ["", {}, true],
    ["app", { app: "" }, true],
    ["app", {}, false],
    ["!app", {}, true],
    ["!app", { app: "a" }, false],
    ["app=a", { app: "a" }, true],
    ["app == a", { app: "b" }, false],
    ["app=", { app: "" }, true],
    ["app=", {}, false],
    ["app!=a", { app: "b" }, true],
    ["app!=a", {}, true],
    ["app != a", { app: "a" }, false],
    ["example.com/app in (a, b)", { "example.com/app": "b" }, true],
    ["app in (a,b)", {}, false],
    ["app notin (a,b)", {}, true],
    ["app notin (a,b),tier=web", { app: "b", tier: "web" }, false],
    ["tier=web, app in (a,b), !old", { app: "b", tier: "web" }, true],
    ["tier=web,app in (a,b),!old", { app: "b", tier: "web", old: "" }, false],
    ["toString", {}, false],
    ["constructor!=a", {}, true],
  ])("%j of %j: %s", (selector, labels, selected) => {
    expect(parseLabelSelector(selector)?.(labels)).toBe(selected);
  });

  it.each(["cores > 4", "app in a", "app=a b", "=a", "app in (a", "app=a,cores>4"])(
    "leaves %j to the server",
    (text) => {
      expect(parseLabelSelector(text)).toBeUndefined();
    },
  );
});
