import { GrpcError } from "@almanac/grpc";
import { KubeError } from "@almanac/kube";
import { ProviderError } from "@almanac/provider";
import { describe, expect, it } from "vitest";
import { ManagerError, classify, wasNeverSent } from "./error.ts";

describe("classify", () => {
  it.each([
    [new ProviderError("UNAVAILABLE", "no"), "error", "ConnectionFailed"],
    [new ProviderError("UNAVAILABLE", "Last error: unable to verify the first certificate"), "error", "TLSError"],
    [new ProviderError("UNAVAILABLE", "x", { reason: "CircuitOpen" }), "error", "CircuitOpen"],
    [new ProviderError("DEADLINE_EXCEEDED", "x"), "error", "Timeout"],
    [new ProviderError("ABORTED", "x"), "error", "HypervisorError"],
    [new ProviderError("INTERNAL", "x"), "error", "Internal"],
    [new ProviderError("INVALID_ARGUMENT", "x"), "failure", "InvalidSpec"],
    [new ProviderError("NOT_FOUND", "x"), "failure", "NotFound"],
    [new ProviderError("ALREADY_EXISTS", "x"), "failure", "AlreadyExists"],
    [new ProviderError("RESOURCE_EXHAUSTED", "x"), "failure", "QuotaExceeded"],
    [new ProviderError("FAILED_PRECONDITION", "x"), "failure", "HypervisorError"],
    [new ProviderError("UNAUTHENTICATED", "x"), "failure", "AuthenticationError"],
    [new ProviderError("UNIMPLEMENTED", "x"), "failure", "Unsupported"],
    [new KubeError("unavailable", "x"), "error", "KubernetesApiError"],
    [new KubeError("invalid", "x"), "error", "KubernetesApiError"],
    [new GrpcError("tls_file_unreadable", "x"), "error", "TLSError"],
    [new ManagerError("dependency_not_found", "x"), "failure", "DependencyNotFound"],
    [new ManagerError("task_failed", "x"), "failure", "TaskFailed"],
    [new ManagerError("not_well", "x"), "error", "HypervisorError"],
    [new TypeError("x"), "error", "Internal"],
    ["a string", "error", "Internal"],
  ])("%s", (thrown, outcome, reason) => {
    expect(classify(thrown)).toMatchObject({ outcome, reason, counted: false });
  });

  it("keeps the reason under which a provider has counted it", () => {
    const error = new ProviderError("UNAVAILABLE", "the certificate store is down", {
      reason: "HypervisorError",
      counted: true,
    });
    expect(classify(error)).toMatchObject({ reason: "HypervisorError", counted: true });
  });

  it("says the same about an open breaker however long it stays open", () => {
    const [a, b] = ["59 s", "58 s"].map((left) =>
      classify(new ProviderError("UNAVAILABLE", `next try in ${left}`, { reason: "CircuitOpen" })),
    );
    expect(a).toEqual(b);
  });
});

describe("wasNeverSent", () => {
  it("is sure only where nothing can have happened", () => {
    expect(wasNeverSent(new ProviderError("UNAVAILABLE", "x", { reason: "CircuitOpen" }))).toBe(true);
    expect(wasNeverSent(new ProviderError("UNAVAILABLE", "No connection established. Last error: refused"))).toBe(true);
    expect(wasNeverSent(new ProviderError("UNAVAILABLE", "connection dropped"))).toBe(false);
    expect(wasNeverSent(new ProviderError("DEADLINE_EXCEEDED", "x"))).toBe(false);
  });
});
