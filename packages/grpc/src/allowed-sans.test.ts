import { describe, expect, it } from "vitest";
import { createSanInterceptor, parseSubjectAltName } from "./allowed-sans.ts";

describe("parseSubjectAltName", () => {
  it.each([
    ["DNS:a.example", ["a.example"]],
    ["DNS:a.example, URI:spiffe://trust/ns/x, IP Address:10.0.0.1, email:a@b", ["a.example", "spiffe://trust/ns/x"]],
    // Node quotes names that could pass for several.
    ['DNS:"evil.example, DNS:good.example", DNS:b', ["evil.example, DNS:good.example", "b"]],
    ['URI:"http://a/\\"q\\"", DNS:b', ['http://a/"q"', "b"]],
    ["IP Address:0:0:0:0:0:0:0:1, DNS:a", ["a"]],
    ["", []],
    ["X400Name:<unsupported>, Registered ID:1.2.3, DNS:a", ["a"]],
    ["DNS:a,DNS:b", []],
    ['DNS:a, DNS:"b', []],
    ["DNS:a, nonsense", []],
  ])("reads %s", (text, names) => {
    expect(parseSubjectAltName(text)).toEqual(names);
  });
});

describe("createSanInterceptor", () => {
  it.each([[[]], [["a", ""]]])("refuses the list %o, which would let nobody or anybody in", (list) => {
    expect(() => createSanInterceptor(list)).toThrow("[invalid_options] allowedSans");
  });
});
