import { describe, expect, it } from "vitest";
import { CodedError, describeError } from "./error.ts";

class SampleError extends CodedError<"bad_input"> {}

describe("CodedError", () => {
  it("carries its code in a field and in the message, and keeps the cause", () => {
    const cause = new Error("socket closed");
    const error = new SampleError("bad_input", "no such field", { cause });
    expect(error).toMatchObject({
      code: "bad_input",
      name: "SampleError",
      message: "[bad_input] no such field",
      cause,
    });
  });
});

describe("describeError", () => {
  const cyclic = new Error("a");
  cyclic.cause = cyclic;
  it.each([
    ["an error with a cause", new Error("outer", { cause: new Error("inner") }), "outer: inner"],
    ["a cause that says the same", new Error("same", { cause: new Error("same") }), "same"],
    ["a cycle", cyclic, "a"],
    ["a string", "boom", "boom"],
    ["an object", { a: 1 }, '{"a":1}'],
    ["nothing", undefined, ""],
  ])("describes %s in one line", (_name, thrown, expected) => {
    expect(describeError(thrown)).toBe(expected);
  });
});
