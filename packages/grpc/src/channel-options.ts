import type { ChannelOptions, ServerOptions } from "@grpc/grpc-js";
import { GrpcError } from "./grpc-error.ts";

export interface ChannelDefaults {
  /**
   * Idle time after which a connection with calls in flight is pinged, in milliseconds. Default 30 s. A peer on grpc-go with its
   * default policy closes connections pinged more often than every five minutes: give 330_000 for such a peer.
   */
  readonly keepaliveMs?: number;
  /** How long a ping may stay unanswered before the connection counts as lost, in milliseconds. Default 10 s. */
  readonly keepaliveTimeoutMs?: number;
  /** Largest message sent or received, in bytes. Default 16 MiB (gRPC's own default is 4 MiB, too little for a list of all VMs). */
  readonly maxMessageBytes?: number;
  /** Longest wait between two attempts to connect, in milliseconds. Default 10 s: a provider that came back is used soon. */
  readonly maxReconnectMs?: number;
}

const mebibyte = 1024 * 1024;

/** Channel options for a controller's client: half-dead peers are noticed, restarted ones found again, messages bounded. */
export function channelOptions(defaults: ChannelDefaults = {}): ChannelOptions {
  const { keepaliveMs = 30_000, maxReconnectMs = 10_000 } = defaults;
  const { keepaliveTimeoutMs = 10_000, maxMessageBytes = 16 * mebibyte } = defaults;
  requirePositive({ keepaliveMs, keepaliveTimeoutMs, maxMessageBytes, maxReconnectMs });
  return {
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
    // Pings without a call are what servers punish first.
    "grpc.keepalive_permit_without_calls": 0,
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
    "grpc.initial_reconnect_backoff_ms": Math.min(500, maxReconnectMs),
    "grpc.max_reconnect_backoff_ms": maxReconnectMs,
    // Spares a TXT look-up per resolution; nobody publishes service configurations for providers.
    "grpc.service_config_disable_resolution": 1,
  };
}

/** Server options to match: pings to clients, bounded messages and streams. */
export function serverOptions(defaults: Omit<ChannelDefaults, "maxReconnectMs"> = {}): ServerOptions {
  const { keepaliveMs = 60_000, keepaliveTimeoutMs = 20_000, maxMessageBytes = 16 * mebibyte } = defaults;
  requirePositive({ keepaliveMs, keepaliveTimeoutMs, maxMessageBytes });
  return {
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes,
    "grpc.max_concurrent_streams": 1000,
  };
}

function requirePositive(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isInteger(value) || value <= 0) {
      throw new GrpcError("invalid_options", `${name} must be a positive whole number, got ${value}`);
    }
  }
}
