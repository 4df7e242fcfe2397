import type { Clock, Timer } from "@almanac/core";
import type { ProviderClient } from "@almanac/provider";

/** How many connections to one provider there may be, and how long for. */
export interface ConnectionLimits {
  readonly maxConnections: number;
  /** Of those without a request under way; more are closed at once. */
  readonly maxIdleConnections: number;
  /** A connection without a request for so long is closed, milliseconds. Infinity: never. */
  readonly idleTimeoutMs: number;
}

/** Connections to one address. */
export interface Connections extends Disposable {
  /** Connections that are open or being opened. */
  readonly size: number;
  /**
   * Runs `send` on the idle connection used last, so that the others may be closed; on a new one when all are busy; and when there may be
   * no more, on that with the fewest requests under way, equals in turn.
   */
  use<T>(send: (client: ProviderClient) => Promise<T>): Promise<T>;
}

interface Connection {
  readonly client: ProviderClient;
  requests: number;
  idleTimer: Timer | undefined;
}

/**
 * Connects with `open` when there is something to send, within `limits`. Disposing it closes every connection; what is under way on one
 * comes to its end.
 */
export function createConnections(open: () => ProviderClient, limits: ConnectionLimits, clock: Clock): Connections {
  // In the order of their last use.
  const connections = new Set<Connection>();

  function hangUp(connection: Connection): void {
    connection.idleTimer?.cancel();
    if (connections.delete(connection)) connection.client[Symbol.dispose]();
  }

  function leastBusy(): Connection {
    let best: Connection | undefined;
    for (const connection of connections) {
      const { requests } = connection;
      if (best === undefined || requests < best.requests || requests === 0) best = connection;
    }
    const mayOpen = connections.size < limits.maxConnections;
    if (best !== undefined && (best.requests === 0 || !mayOpen)) return best;
    return { client: open(), requests: 0, idleTimer: undefined };
  }

  /** The last request on it has ended. */
  function rest(connection: Connection): void {
    if (!connections.has(connection)) return;
    const idle = [...connections].filter(({ requests }) => requests === 0);
    if (idle.length > limits.maxIdleConnections) return hangUp(connection);
    if (limits.idleTimeoutMs === Number.POSITIVE_INFINITY) return;
    connection.idleTimer = clock.setTimeout(() => hangUp(connection), limits.idleTimeoutMs, { keepAlive: false });
  }

  return {
    get size() {
      return connections.size;
    },
    async use(send) {
      const connection = leastBusy();
      connection.idleTimer?.cancel();
      connection.idleTimer = undefined;
      connections.delete(connection);
      connections.add(connection);
      connection.requests += 1;
      try {
        return await send(connection.client);
      } finally {
        connection.requests -= 1;
        if (connection.requests === 0) rest(connection);
      }
    },
    [Symbol.dispose]() {
      for (const connection of [...connections]) hangUp(connection);
    },
  };
}
