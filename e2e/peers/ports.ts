import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { PeerError } from "./errors.ts";

/** The interface every peer listens on. */
export const loopback = "127.0.0.1";

const attempts = 3;

/** `count` different TCP ports that are free on the loopback interface now; nothing keeps them free. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listen));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(
    servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => {
            resolve();
          });
        }),
    ),
  );
  return ports;
}

/**
 * Calls `start` with a port for every name: the given one, else a free one. When a peer ends because somebody took a chosen
 * port in between, tries again with others; a given port is never replaced.
 */
export async function withPorts<Name extends string, T>(
  names: readonly Name[],
  given: Readonly<Partial<Record<Name, number>>>,
  start: (ports: Readonly<Record<Name, number>>) => Promise<T>,
): Promise<T> {
  const chosen = names.filter((name) => given[name] === undefined);
  for (let attempt = 1; ; attempt++) {
    const free = await freePorts(chosen.length);
    const ports = Object.fromEntries(names.map((name) => [name, given[name] ?? free[chosen.indexOf(name)]]));
    try {
      return await start(ports as Record<Name, number>);
    } catch (error) {
      const taken =
        error instanceof PeerError && error.code === "exited" && /address already in use/.test(error.message);
      if (!taken || chosen.length === 0 || attempt === attempts) throw error;
    }
  }
}

function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host: loopback, port: 0 }, () => {
      resolve(server);
    });
  });
}
