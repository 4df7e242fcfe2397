import { status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { grpcCodeName, grpcCodeNumber } from "./grpc-code.ts";

const all = Object.entries(status).filter(
  (entry): entry is [keyof typeof status, status] => typeof entry[1] === "number",
);

describe("grpcCodeName and grpcCodeNumber", () => {
  it("knows all 17", () => {
    expect(all).toHaveLength(17);
  });

  it.each(all)("%s is %i, in both directions", (name, number) => {
    expect(grpcCodeName(number)).toBe(name);
    expect(grpcCodeNumber(name)).toBe(number);
  });

  it.each([17, -1, 1.5, Number.NaN, 1e9])("takes %d for UNKNOWN", (number) => {
    expect(grpcCodeName(number)).toBe("UNKNOWN");
  });
});
