import { join } from "node:path";
import { connect } from "node:tls";
import { setTimeout as wait } from "node:timers/promises";
import { createTestPki, writeTestCertificate } from "@almanac/testkit";
import type { TestCertificateFiles } from "@almanac/testkit";
import { afterEach, describe, expect, it } from "vitest";
import type { VirtualMachine } from "./api/virtual-machine.ts";
import { closeWorlds, condition, createWorld, effects, isReady, until, untilReady } from "./world.test.helper.ts";

afterEach(closeWorlds);

const runtime = { image: "almanac/provider-mock:0.1.0" };
const host = (name: string): string => `virtrigaud-provider-default-${name}.default.svc`;
/** Either side looks at its files so often. */
const reloadMs = 10_000;

/** Who signed the certificate that `host:port` shows to a peer that has one itself. */
function issuerAt(address: string, { key, cert }: { readonly key: string; readonly cert: string }): Promise<string> {
  const [name = "", port] = address.split(":");
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: name,
      port: Number(port),
      key,
      cert,
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
    });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      resolve(String(socket.getPeerCertificate().issuer.CN));
      socket.destroy();
    });
  });
}

describe("certificates", () => {
  // Nobody looks at the files more often.
  const timeout = 4 * reloadMs;
  it("are rotated without a failed operation, and a wrong one is found to be right later", { timeout }, async () => {
    const world = await createWorld();
    const [before, after, stranger] = [
      await createTestPki("before"),
      await createTestPki("after"),
      await createTestPki("stranger"),
    ];
    const both = `${before.ca}\n${after.ca}\n`;
    /** From that authority, trusting both. */
    const write = async (folder: string, pki: typeof before, sans: string[]): Promise<TestCertificateFiles> =>
      writeTestCertificate(join(world.folder, folder), { ...(await pki.issue({ sans })), ca: both });
    const lab = await world.startMock("lab", { tls: await write("lab", before, [host("lab")]) });
    await world.startMock("wrong", { tls: await write("wrong", stranger, [host("wrong")]) });
    await world.startManager({
      tls: await write("client", before, ["manager"]),
      circuitBreaker: { openMs: 500, halfOpenCalls: 1 },
    });
    // A connection does not outlive its certificate for long, so that new ones are made all the time.
    const connectionPooling = { maxConnections: 4, maxIdleConnections: 1, idleTimeout: "50ms" };
    await world.addProvider("lab", { runtime, connectionPooling });
    await world.addProvider("wrong", { runtime });
    await until("healthy", () => world.provider("lab")?.status?.healthy);
    await until("refused", () => condition(world.provider("wrong"), "Ready")?.reason === "TLSError");
    const powered: VirtualMachine["spec"]["powerState"][] = ["Off", "On"];
    await world.addMachine("stranded", { providerRef: { name: "wrong", namespace: "default" } });
    await world.addMachine("web");
    await untilReady(world, "web");

    await write("lab", after, [host("lab")]);
    await write("client", after, ["manager"]);
    await write("wrong", after, [host("wrong")]);
    const rotatedAtMs = performance.now();
    let rounds = 0;
    const isLate = (): boolean => performance.now() - rotatedAtMs > 1.2 * reloadMs;
    while (!isLate()) {
      const powerState = powered[rounds++ % 2] as "Off" | "On";
      await world.resources.virtualMachines.patch(
        { namespace: "default", name: "web" },
        { spec: { powerState } },
        { type: "merge" },
      );
      await untilReady(world, "web");
      expect(isReady(world.provider("lab"))).toBe(true);
      await wait(60);
    }
    expect(await issuerAt(lab.address, await after.issue())).toBe("after");
    // One that trusts nothing of before takes the manager for what it is now.
    const strict = { ...(await after.issue({ sans: [host("strict")] })), ca: after.ca };
    await world.startMock("strict", { tls: await writeTestCertificate(join(world.folder, "strict"), strict) });
    await world.addProvider("strict", { runtime });
    await world.addMachine("new", { providerRef: { name: "strict", namespace: "default" } });
    await untilReady(world, "new");

    await until("right", () => isReady(world.provider("wrong")), 2 * reloadMs);
    await untilReady(world, "stranded");
    expect(await world.samples("virtrigaud_vm_operations_total")).toEqual({
      "Create mock lab success": 1,
      "Create mock strict success": 1,
      "Create mock wrong success": 1,
      "Power mock lab success": 1 + rounds,
      "Power mock strict success": 1,
      "Power mock wrong success": 1,
      "Describe mock lab success": expect.any(Number) as number,
      "Describe mock strict success": expect.any(Number) as number,
      "Describe mock wrong success": expect.any(Number) as number,
    });
    expect(effects(world, "lab").filter((method) => method === "PowerVM")).toHaveLength(1 + rounds);
    expect(rounds).toBeGreaterThan(5);
    expect(Object.keys(await world.samples("virtrigaud_errors_total"))).toEqual(["TLSError manager"]);
  });
});
