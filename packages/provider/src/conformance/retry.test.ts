import { randomUUID } from "node:crypto";
import { createNoopTelemetry } from "@almanac/telemetry";
import { describe, expect, it } from "vitest";
import { methods, ownerTag, type ProviderFunction } from "../contract.ts";
import { createProviderClient } from "../client.ts";
import { ProviderError } from "../error.ts";
import { PowerOp } from "../gen/provider/v1/provider_pb.ts";
import type { ProviderHandlers } from "../handlers.ts";
import { startProviderServer } from "../server.ts";
import { createCaseContext, type StandardProbes } from "./case.ts";
import { retryingClient } from "./retry.ts";

const telemetry = createNoopTelemetry();

/** A provider with a list of VMs and nothing else, whose every function fails `failures` times before it answers once. */
async function startFlaky(failures: number, code: "UNAVAILABLE" | "INTERNAL" = "UNAVAILABLE") {
  const vms = new Set<string>();
  const calls = new Map<ProviderFunction, number>();
  const answers: Partial<Record<ProviderFunction, (request: never) => object>> = {
    createVM: ({ name }: { name: string }) => (vms.add(name), { id: name }),
    describeVM: ({ id }: { id: string }) => ({ exists: vms.has(id) }),
    deleteVM: ({ id }: { id: string }) => (vms.delete(id), {}),
    listVMs: () => ({ vms: [...vms].map((id) => ({ id, name: id })) }),
  };
  const handlers = Object.fromEntries(
    methods.map(({ function: name }) => [
      name,
      (request: never) => {
        const seen = calls.get(name) ?? 0;
        calls.set(name, seen + 1);
        const answer = answers[name];
        if (seen % (failures + 1) < failures) return Promise.reject(new ProviderError(code, "injected"));
        return answer === undefined
          ? Promise.reject(new ProviderError("UNIMPLEMENTED", "not offered"))
          : Promise.resolve(answer(request));
      },
    ]),
  ) as unknown as ProviderHandlers;
  const server = await startProviderServer({
    handlers,
    telemetry,
    providerType: "mock",
    providerName: "lab",
    port: 0,
    tls: "insecure",
  });
  const connection = createProviderClient({ address: server.address, tls: "insecure", telemetry });
  const client = retryingClient(connection);
  const unused = (): never => {
    throw new Error("not part of this test");
  };
  const cases = createCaseContext({
    client,
    other: unused,
    address: server.address,
    capabilities: undefined as never,
    signal: AbortSignal.timeout(10_000),
    compatible: false,
    standard: { health: unused, reflectedServices: unused } satisfies StandardProbes,
    prefix: "test",
  });
  return {
    vms,
    calls,
    client,
    cases,
    async [Symbol.asyncDispose]() {
      connection[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("retryingClient", () => {
  it("repeats what is idempotent by contract while the provider is UNAVAILABLE", async () => {
    await using flaky = await startFlaky(3);
    const { client, calls } = flaky;
    const { id } = await client.createVM({ name: "a", tags: [`${ownerTag}=${randomUUID()}`] });
    expect((await client.describeVM({ id })).exists).toBe(true);
    expect((await client.listVMs({})).vms).toHaveLength(1);
    expect(calls.get("createVM")).toBe(4);
  });

  it.each([
    ["a creation without owner", 1, (of: Flaky) => of.client.createVM({ name: "a" }), "createVM", 1],
    ["a change of power", 1, (of: Flaky) => of.client.powerVM({ id: "a", op: PowerOp.ON }), "powerVM", 1],
    ["a provider that stays away", 99, (of: Flaky) => of.client.describeVM({ id: "a" }), "describeVM", 6],
  ] as const)("gives the error of %s back", async (_name, failures, call, method, sent) => {
    await using flaky = await startFlaky(failures);
    await expect(call(flaky)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(flaky.calls.get(method)).toBe(sent);
  });
});

describe("createCaseContext", () => {
  it.each(["UNAVAILABLE", "INTERNAL"] as const)("removes every VM of a case through answers of %s", async (code) => {
    await using flaky = await startFlaky(2, code);
    for (const id of ["a", "b", "c"]) {
      flaky.vms.add(id);
      flaky.cases.context.cleanUp(id);
    }
    await flaky.cases.cleanUp();
    expect([...flaky.vms]).toEqual([]);
  });
});

type Flaky = Awaited<ReturnType<typeof startFlaky>>;
