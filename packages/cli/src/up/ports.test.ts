import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { choosePort } from "./ports.ts";

describe("choosePort", () => {
  it("gives another port than a taken one, and says that it was taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const chosen = await choosePort(port);
    expect(chosen).toEqual({ port: expect.any(Number) as number, wasTaken: true });
    expect(chosen.port).not.toBe(port);
    await expect(choosePort(port, { strict: true })).rejects.toThrow(`port ${port} on 127.0.0.1 is taken`);
    server.close();
  });

  it("never gives the same port twice", async () => {
    const first = await choosePort(0);
    const again = await choosePort(first.port);
    expect(again.port).not.toBe(first.port);
  });
});
