import { describe, expect, it } from "vitest";
import { channelOptions, serverOptions } from "./channel-options.ts";

describe("channelOptions", () => {
  it("bounds messages in both directions and the wait between attempts to connect", () => {
    expect(channelOptions({ maxMessageBytes: 1000, maxReconnectMs: 300 })).toMatchObject({
      "grpc.max_receive_message_length": 1000,
      "grpc.max_send_message_length": 1000,
      "grpc.initial_reconnect_backoff_ms": 300,
      "grpc.max_reconnect_backoff_ms": 300,
    });
  });

  it.each([{ keepaliveMs: 0 }, { keepaliveTimeoutMs: -1 }, { maxMessageBytes: 1.5 }, { maxReconnectMs: Number.NaN }])(
    "refuses %o",
    (defaults) => {
      const [name] = Object.keys(defaults);
      expect(() => channelOptions(defaults)).toThrow(`[invalid_options] ${name} must be a positive whole number`);
    },
  );
});

describe("serverOptions", () => {
  it("takes messages of the size clients send by default", () => {
    expect(serverOptions()["grpc.max_receive_message_length"]).toBe(channelOptions()["grpc.max_send_message_length"]);
  });
});
