import { describe, expect, it } from "vitest";
import { tlsFromFlags } from "./tls-flags.ts";

const files = { tlsCertFile: "c", tlsKeyFile: "k", tlsCaFile: "a" };

describe("tlsFromFlags", () => {
  it("gives the files, or plaintext when it was asked for", () => {
    expect(tlsFromFlags(files, undefined)).toEqual({ certFile: "c", keyFile: "k", caFile: "a" });
    expect(tlsFromFlags({}, true)).toBe("insecure");
    expect(tlsFromFlags({}, "true")).toBe("insecure");
  });

  it("never falls back to plaintext: it names what is missing", () => {
    expect(() => tlsFromFlags({ tlsCertFile: "c" }, undefined)).toThrow("--tls-key-file, --tls-ca-file missing");
    expect(() => tlsFromFlags({}, "false")).toThrow("--tls-cert-file");
  });

  it("refuses both at once", () => {
    expect(() => tlsFromFlags(files, true)).toThrow("exclude one another");
  });
});
