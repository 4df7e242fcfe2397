/** A mock provider as a process of its own, for the test that kills it. Arguments: state directory, options as an endpoint. */
import { createNoopTelemetry } from "@almanac/telemetry";
import { startMockProvider } from "./mock-provider.ts";
import { parseMockOptions } from "./options.ts";

const [stateDir = "", endpoint = "mock:///"] = process.argv.slice(2);
const provider = await startMockProvider({
  providerType: "mock",
  providerName: "lab",
  port: 0,
  tls: "insecure",
  telemetry: createNoopTelemetry(),
  stateDir,
  ...parseMockOptions(endpoint),
});
process.stdout.write(`${provider.address}\n`);
