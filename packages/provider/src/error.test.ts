import { describe, expect, it } from "vitest";
import { grpcCodes } from "@almanac/catalog";
import { ProviderError, type ProviderErrorCode } from "./error.ts";

describe("ProviderError", () => {
  it("knows a reason for every code", () => {
    for (const code of grpcCodes.values) {
      if (code !== "OK") expect(new ProviderError(code satisfies ProviderErrorCode, "x").reason).toMatch(/^[A-Z]/);
    }
  });

  it.each([
    [new ProviderError("NOT_FOUND", "no VM"), "NOT_FOUND", "no VM"],
    [new TypeError("x is undefined"), "INTERNAL", "internal error of the provider"],
    ["boom", "INTERNAL", "internal error of the provider"],
    [undefined, "INTERNAL", "internal error of the provider"],
    [
      Object.assign(new Error("no space left"), { code: "ENOSPC" }),
      "RESOURCE_EXHAUSTED",
      "the provider's disk is full",
    ],
    [new DOMException("aborted", "AbortError"), "CANCELLED", "the call was cancelled"],
    [new DOMException("timeout", "TimeoutError"), "DEADLINE_EXCEEDED", "the deadline passed"],
  ])("translates %s", (thrown, code, details) => {
    expect(ProviderError.from(thrown)).toMatchObject({ code, details });
  });
});
