import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { endpointLookup } from "./endpoints.ts";

describe("endpointLookup", () => {
  let folder = "";
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "endpoints-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it("takes flags, and refuses one of another form", () => {
    expect(endpointLookup(["default/lab=127.0.0.1:9443"], undefined)("default/lab")).toBe("127.0.0.1:9443");
    expect(() => endpointLookup(["lab=127.0.0.1:9443"], undefined)).toThrow(
      '--provider-endpoint: "lab=127.0.0.1:9443"',
    );
  });

  it("follows a file that appears, changes, breaks and disappears; flags win", () => {
    const file = join(folder, "endpoints.json");
    const write = (text: string): void => {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    };
    const lookup = endpointLookup(["a/fixed=127.0.0.1:1"], file);
    expect(lookup("a/b")).toBeUndefined();
    write('{"a/b": "127.0.0.1:2", "a/fixed": "127.0.0.1:3"}');
    expect([lookup("a/b"), lookup("a/fixed")]).toEqual(["127.0.0.1:2", "127.0.0.1:1"]);
    write('{"a/b": ');
    expect(lookup("a/b")).toBe("127.0.0.1:2");
    write('{"a/b": "127.0.0.1:4"}');
    expect(lookup("a/b")).toBe("127.0.0.1:4");
    rmSync(file);
    expect(lookup("a/b")).toBeUndefined();
  });
});
