import type { Provider } from "../api/provider.ts";
import { parseDuration } from "../duration.ts";
import type { ConnectionLimits } from "./connections.ts";

/** `spec.connectionPooling` of a Provider, as numbers. */
export interface ConnectionPooling extends ConnectionLimits {
  /** How long a request waits for a connection. Undefined: as long as for its answer. */
  readonly connectTimeoutMs: number | undefined;
}

// Without the field there is one connection that stays: its defaults belong to the object that a user writes.
const single: ConnectionPooling = {
  maxConnections: 1,
  maxIdleConnections: 1,
  idleTimeoutMs: Number.POSITIVE_INFINITY,
  connectTimeoutMs: undefined,
};

/** @throws ManagerError `invalid_spec` for a duration that is none. */
export function connectionPooling({ metadata, spec }: Provider): ConnectionPooling {
  if (spec.connectionPooling === undefined) return single;
  const { maxConnections = 10, maxIdleConnections = 5, idleTimeout, connectionTimeout } = spec.connectionPooling;
  // Machines are told as well, and it is no field of theirs.
  const field = `spec.connectionPooling of Provider ${metadata.namespace}/${metadata.name}:`;
  return {
    maxConnections,
    maxIdleConnections,
    idleTimeoutMs: parseDuration(idleTimeout ?? "5m", `${field} idleTimeout`),
    connectTimeoutMs: parseDuration(connectionTimeout ?? "30s", `${field} connectionTimeout`),
  };
}
