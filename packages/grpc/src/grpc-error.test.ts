import { Metadata } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { readErrorInfo, withErrorInfo } from "./error-info.ts";
import { GrpcError } from "./grpc-error.ts";

const info = { reason: "QuotaExceeded", domain: "almanac.dev" };

describe("GrpcError.from", () => {
  it("keeps status, details, trailers and error info of a failed call", () => {
    const { metadata } = withErrorInfo({ code: 8, details: "disk full" }, info);
    const thrown = Object.assign(new Error("8 RESOURCE_EXHAUSTED: disk full"), {
      code: 8,
      details: "disk full",
      metadata,
    });
    expect(GrpcError.from(thrown)).toMatchObject({
      code: "resource_exhausted",
      grpcCode: "RESOURCE_EXHAUSTED",
      details: "disk full",
      message: "[resource_exhausted] disk full",
      errorInfo: info,
      cause: thrown,
    });
  });

  it.each([
    ["a status outside the 17", Object.assign(new Error("odd"), { code: 99, details: "odd" }), "unknown", "UNKNOWN"],
    ["an error with status OK", Object.assign(new Error("fine"), { code: 0, details: "fine" }), "unknown", "UNKNOWN"],
    ["an abort", new DOMException("stopped", "AbortError"), "cancelled", "CANCELLED"],
    ["a timeout", new DOMException("late", "TimeoutError"), "deadline_exceeded", "DEADLINE_EXCEEDED"],
    ["a failed child process", Object.assign(new Error("exit 5"), { code: 5 }), "unknown", "UNKNOWN"],
    ["an errno error", Object.assign(new Error("no file"), { code: "ENOENT" }), "unknown", "UNKNOWN"],
    ["a string", "boom", "unknown", "UNKNOWN"],
    ["nothing", undefined, "unknown", "UNKNOWN"],
  ])("translates %s", (_name, thrown, code, grpcCode) => {
    expect(GrpcError.from(thrown)).toMatchObject({ code, grpcCode });
  });

  it("gives a GrpcError back as it is", () => {
    const error = new GrpcError("circuit_open", "wait");
    expect(GrpcError.from(error)).toBe(error);
    expect(error.grpcCode).toBeUndefined();
  });
});

describe("withErrorInfo", () => {
  it("leaves the given metadata alone and keeps its entries", () => {
    const metadata = new Metadata();
    metadata.set("retry-after", "5");
    const status = withErrorInfo({ code: 8, details: "disk full", metadata }, info);
    expect(metadata.get("grpc-status-details-bin")).toEqual([]);
    expect(status.metadata.get("retry-after")).toEqual(["5"]);
    expect(readErrorInfo(status)).toEqual(info);
  });
});

describe("readErrorInfo", () => {
  it.each([
    ["an error without metadata", new Error("x")],
    ["metadata of another kind", { metadata: { get: 1 } }],
    ["a trailer without an ErrorInfo", { metadata: Metadata.fromHttp2Headers({ "grpc-status-details-bin": "AAAA" }) }],
    ["null", null],
    ["a number", 3],
  ])("finds nothing in %s", (_name, thrown) => {
    expect(readErrorInfo(thrown)).toBeUndefined();
  });

  it("finds it in a GrpcError", () => {
    const status = Object.assign(new Error("x"), withErrorInfo({ code: 8, details: "disk full" }, info));
    expect(readErrorInfo(GrpcError.from(status))).toEqual(info);
  });
});
