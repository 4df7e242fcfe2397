import { describe, expect, it } from "vitest";
import { parseTarget } from "./target.ts";

describe("parseTarget", () => {
  it.each([
    ["dns:127.0.0.1:9443", "127.0.0.1", 9443],
    ["dns:///provider.lab.svc:9443", "provider.lab.svc", 9443],
    ["dns://8.8.8.8/provider.lab.svc:9443", "provider.lab.svc", 9443],
    ["provider.lab.svc:9443", "provider.lab.svc", 9443],
    ["provider.lab.svc", "provider.lab.svc", undefined],
    ["ipv6:[::1]:9443", "::1", 9443],
    ["[fe80::1]:1", "fe80::1", 1],
    ["::1", "::1", undefined],
    ["unix:/run/provider.sock", "/run/provider.sock", undefined],
    ["unix:///run/provider.sock", "/run/provider.sock", undefined],
    ["", "", undefined],
  ])("reads %s", (target, host, port) => {
    expect(parseTarget(target)).toEqual({ host, port });
  });
});
