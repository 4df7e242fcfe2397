import { CliError } from "./error.ts";

interface MockSettingSources {
  /** The Provider object's endpoint; only a `mock:///` URL carries settings. */
  readonly endpoint?: string | undefined;
  /** `MOCK_RPC_MS=5-20` sets `rpcMs`, and so on. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `name=value`, as they were typed. */
  readonly flags: readonly string[];
}

/** The mock's settings by name: flags win over the environment, which wins over the endpoint. */
export function mockSettings(sources: MockSettingSources): Record<string, string> {
  const settings: Record<string, string> = {};
  if (sources.endpoint?.startsWith("mock:")) {
    for (const [name, value] of new URL(sources.endpoint).searchParams) settings[name] = value;
  }
  for (const [variable, value] of Object.entries(sources.env)) {
    if (!variable.startsWith("MOCK_") || value === undefined) continue;
    settings[camelCase(variable.slice("MOCK_".length))] = value;
  }
  for (const flag of sources.flags) {
    const separator = flag.indexOf("=");
    if (separator < 1) throw new CliError("usage", `--mock: "${flag}" is not NAME=VALUE, e.g. rpcMs=5-20`);
    settings[flag.slice(0, separator)] = flag.slice(separator + 1);
  }
  return settings;
}

function camelCase(name: string): string {
  return name.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
