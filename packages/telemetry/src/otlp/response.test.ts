import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeMessage } from "./proto.test.helper.ts";
import { readJsonResponse, readProtobufResponse, readRetryDelayMs } from "./response.ts";

const partial = { rejectedDataPoints: 3, errorMessage: "zu spät" };

function statusWith(details: { typeUrl: string; value: Uint8Array }[]): Buffer {
  return encodeMessage("Status", { code: 14, message: "busy", details });
}

function retryInfo(retryDelay: Record<string, number>): { typeUrl: string; value: Uint8Array } {
  return { typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value: encodeMessage("RetryInfo", { retryDelay }) };
}

describe("readProtobufResponse", () => {
  it("reads what was rejected and why", () => {
    expect(readProtobufResponse(encodeMessage("ExportMetricsServiceResponse", { partialSuccess: partial }))).toEqual(
      partial,
    );
    const warning = { partialSuccess: { errorMessage: "old" } };
    expect(readProtobufResponse(encodeMessage("ExportMetricsServiceResponse", warning))?.errorMessage).toBe("old");
  });

  it("has nothing to tell of complete success", () => {
    expect(readProtobufResponse(new Uint8Array())).toBeUndefined();
    expect(readProtobufResponse(encodeMessage("ExportMetricsServiceResponse", { partialSuccess: {} }))).toBeUndefined();
  });

  it("ends on any bytes, with an error or without", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        let outcome: unknown;
        try {
          outcome = readProtobufResponse(bytes)?.errorMessage ?? "";
        } catch (thrown) {
          outcome = (thrown as Error).message;
        }
        expect(outcome).toBeTypeOf("string");
      }),
    );
  });
});

describe("readJsonResponse", () => {
  it("reads what was rejected and why, integers as texts", () => {
    const json = { partialSuccess: { ...partial, rejectedDataPoints: "3" } };
    expect(readJsonResponse(Buffer.from(JSON.stringify(json)))).toEqual(partial);
  });

  it.each(["", "{}", "null", "[]", '{"partialSuccess":null}', '{"partialSuccess":{"errorMessage":5}}'])(
    "has nothing to tell of %j",
    (text) => {
      expect(readJsonResponse(Buffer.from(text))).toBeUndefined();
    },
  );
});

describe("readRetryDelayMs", () => {
  it("finds how long to wait among other details", () => {
    const other = { typeUrl: "type.googleapis.com/google.rpc.ErrorInfo", value: new Uint8Array([1, 2, 3]) };
    expect(readRetryDelayMs(statusWith([other, retryInfo({ seconds: 2, nanos: 5e8 })]))).toBe(2500);
    expect(readRetryDelayMs(statusWith([retryInfo({})]))).toBe(0);
    expect(readRetryDelayMs(statusWith([other]))).toBeUndefined();
  });

  it("finds none in any other bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(readRetryDelayMs(bytes)).toBeUndefined();
      }),
    );
  });
});
