import { describe, expect, it } from "vitest";
import { parseBindAddress } from "./bind-address.ts";

describe("parseBindAddress", () => {
  it.each([
    ["127.0.0.1:8080", { host: "127.0.0.1", port: 8080 }],
    [":0", { host: "0.0.0.0", port: 0 }],
    ["[::1]:9443", { host: "::1", port: 9443 }],
    ["localhost:1", { host: "localhost", port: 1 }],
  ])("reads %s", (text, expected) => {
    expect(parseBindAddress(text, "--flag")).toEqual(expected);
  });

  it.each(["", "8080", "host:", "host:99999", "::1:80", "a:b"])("refuses %j, naming the flag and the value", (text) => {
    expect(() => parseBindAddress(text, "--flag")).toThrow(`--flag: "${text}"`);
  });
});
