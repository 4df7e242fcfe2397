import { Command, InvalidArgumentError, Option } from "commander";
import { concurrency } from "./concurrency.ts";
import type { Concurrency } from "./concurrency.ts";

/**
 * The command line. Every command loads its packages only when it runs, so that each process of the stack holds what it needs
 * and no more. Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
export function createProgram(): Command {
  const program = new Command("almanac")
    .description("OpenTelemetry-native instrumentation for Kubernetes control planes")
    .version("0.1.0")
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 wrong usage.");
  program.addCommand(upCommand());
  program.addCommand(managerCommand());
  program.addCommand(new Command("provider").description("run a hypervisor provider").addCommand(mockCommand()));
  program.addCommand(apiServerCommand());
  program.addCommand(conformanceCommand());
  program.addCommand(catalogCommand());
  for (const command of allCommands(program)) command.exitOverride().showSuggestionAfterError();
  return program;
}

function upCommand(): Command {
  return new Command("up")
    .description("run the whole stack on this machine: API, manager, two mock providers, a gentle workload")
    .option("--until-ready", "exit 0 once every family has moved, 1 naming those that have not")
    .option("--ready-timeout <seconds>", "how long --until-ready waits", positive, 180)
    .option("--dir <folder>", "where this run keeps its files", ".almanac")
    .option("--kubeconfig <file>", "use this cluster instead of the embedded API")
    .option("--state <folder>", "keep the embedded API's state here across runs")
    .option("--manifests <folder>", "apply these manifests instead of the examples")
    .option("--api-port <port>", "port of the embedded API (default: 6443, or a free one)", port)
    .option("--metrics-port <port>", "port of the manager's /metrics (default: 8080, or a free one)", port)
    .option("--traces-port <port>", "port of the built-in trace page (default: 4318, or a free one)", port)
    .option("--no-workload", "create nothing beyond the manifests")
    .option("--workload-size <machines>", "virtual machines that the workload keeps around", positive, 12)
    .option("--seed <number>", "same seed, same workload", positive, 1)
    .option("--plain", "plain lines instead of the live screen")
    .addOption(logLevel().default("info"))
    .action(async (options: UpFlags) => (await import("./commands/up.ts")).up(options));
}

function managerCommand(): Command {
  return new Command("manager")
    .description("run the manager: reconciles all seven kinds, Provider to VMClone")
    .addOption(
      env("--kubeconfig <file>", "kubeconfig (default: KUBECONFIG, ~/.kube/config, or the pod's service account)"),
    )
    .addOption(env("--context <name>", "context of the kubeconfig"))
    .addOption(env("--metrics-bind-address <address>", "/metrics, /healthz and /readyz").default("0.0.0.0:8080"))
    .addOption(webConfigFile())
    .addOption(env("--leader-election-namespace <namespace>", "namespace of the Lease").default("default"))
    .option("--no-leader-elect", "run without a Lease; only ever start one such manager")
    .addOption(
      env("--shard <index/count>", "work on this shard of the namespaces only, counted from 0: 0/3, 1/3, 2/3")
        .argParser(shard)
        .conflicts("shards"),
    )
    .addOption(
      env(
        "--shards <count>",
        "cut the namespaces into so many shards and share them with the other managers",
      ).argParser(positive),
    )
    .addOption(env("--tls-cert-file <file>", "client certificate for providers (PEM)"))
    .addOption(env("--tls-key-file <file>", "its private key (PEM)"))
    .addOption(env("--tls-ca-file <file>", "authority of the providers' certificates (PEM)"))
    .addOption(env("--tls-insecure", "talk to providers without TLS"))
    .option(
      "--provider-endpoint <namespace/name=host:port>",
      "dial this instead of the Service; repeatable",
      collect,
      [],
    )
    .addOption(
      env("--provider-endpoints-file <file>", "JSON object of namespace/name to host:port, read again when it changes"),
    )
    .addOption(
      env(
        "--concurrency <workers>",
        "objects of each kind reconciled at a time; repeatable as Kind=N, e.g. 8 and VirtualMachine=32, with commas in the variable",
      )
        .argParser(concurrency)
        .default({ each: 8, byKind: {} } satisfies Concurrency, "8"),
    )
    .addOption(logLevel().default("info").env("LOG_LEVEL"))
    .addOption(logFormat().default("json").env("LOG_FORMAT"))
    .action(async (options: ManagerFlags) => (await import("./commands/manager.ts")).manager(options));
}

function mockCommand(): Command {
  return new Command("mock")
    .description("a provider without a hypervisor; MOCK_* variables set its delays and failures")
    .addOption(
      new Option("--type <type>", "provider type in labels")
        .choices(["vsphere", "libvirt", "mock"])
        .default("mock")
        .env("PROVIDER_TYPE"),
    )
    .addOption(new Option("--name <name>", "name of the Provider object").default("mock").env("PROVIDER_NAME"))
    .addOption(new Option("--host <host>", "address to listen on").default("0.0.0.0").env("PROVIDER_HOST"))
    .addOption(new Option("--port <port>", "gRPC").argParser(port).default(9443).env("PROVIDER_PORT"))
    .addOption(
      new Option("--health-port <port>", "/metrics, /healthz and /readyz")
        .argParser(port)
        .default(8080)
        .env("PROVIDER_HEALTH_PORT"),
    )
    .addOption(webConfigFile())
    .addOption(
      new Option("--endpoint <url>", "endpoint of the Provider object; a mock:/// URL may carry knobs").env(
        "PROVIDER_ENDPOINT",
      ),
    )
    .option(
      "--mock <name=value>",
      "a setting of the mock, e.g. rpcMs=5-20; MOCK_RPC_MS sets the same; repeatable",
      collect,
      [],
    )
    .addOption(new Option("--state-dir <folder>", "keep machines, tasks and the journal here").env("STATE_DIR"))
    .addOption(new Option("--tls-cert-file <file>", "server certificate (PEM)").env("TLS_CERT_FILE"))
    .addOption(new Option("--tls-key-file <file>", "its private key (PEM)").env("TLS_KEY_FILE"))
    .addOption(new Option("--tls-ca-file <file>", "authority of the clients' certificates (PEM)").env("TLS_CA_FILE"))
    .addOption(new Option("--tls-insecure", "serve without TLS").env("TLS_INSECURE"))
    .addOption(logLevel().default("info").env("LOG_LEVEL"))
    .addOption(logFormat().default("json").env("LOG_FORMAT"))
    .action(async (options: MockFlags) => (await import("./commands/provider-mock.ts")).providerMock(options));
}

function apiServerCommand(): Command {
  return new Command("apiserver")
    .description("run the embedded Kubernetes API alone, on loopback")
    .option("--port <port>", "0 for any free one", port, 6443)
    .option("--state <folder>", "keep the state here across runs")
    .option("--kubeconfig <file>", "write the kubeconfig here", ".almanac/kubeconfig")
    .addOption(logLevel().default("info"))
    .action(async (options: ApiServerFlags) => (await import("./commands/apiserver.ts")).apiServer(options));
}

function conformanceCommand(): Command {
  return new Command("conformance")
    .description(
      "run the provider contract's case suite against a provider; failures that a mock injects make cases fail",
    )
    .argument("<host:port>", "its gRPC address")
    .option("--tls-cert-file <file>", "client certificate (PEM)")
    .option("--tls-key-file <file>", "its private key (PEM)")
    .option("--tls-ca-file <file>", "authority of the provider's certificate (PEM)")
    .option("--server-name <name>", "name expected in the provider's certificate")
    .option("--insecure", "without TLS")
    .addOption(
      new Option("--service <name>", "service name to speak to").choices(["native", "compatible"]).default("native"),
    )
    .option("--json", "one JSON object instead of lines")
    .action(async (address: string, options: ConformanceFlags) =>
      (await import("./commands/conformance.ts")).conformance(address, options),
    );
}

function catalogCommand(): Command {
  return new Command("catalog")
    .description("print the metric families")
    .option("--owner <component>", "only those of manager, provider, gateway, virtual-kubelet or process")
    .option("--json", "as JSON")
    .action(async (options: CatalogFlags) => (await import("./commands/catalog.ts")).catalog(options));
}

export interface UpFlags {
  readonly untilReady?: true;
  readonly readyTimeout: number;
  readonly dir: string;
  readonly kubeconfig?: string;
  readonly state?: string;
  readonly manifests?: string;
  readonly apiPort?: number;
  readonly metricsPort?: number;
  readonly tracesPort?: number;
  readonly workload: boolean;
  readonly workloadSize: number;
  readonly seed: number;
  readonly plain?: true;
  readonly logLevel: LogLevel;
}

export interface TlsFlags {
  readonly tlsCertFile?: string;
  readonly tlsKeyFile?: string;
  readonly tlsCaFile?: string;
}

export interface ManagerFlags extends TlsFlags {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly metricsBindAddress: string;
  readonly "web.config.file"?: string;
  readonly leaderElectionNamespace: string;
  readonly leaderElect: boolean;
  readonly shard?: { readonly index: number; readonly count: number };
  readonly shards?: number;
  readonly tlsInsecure?: boolean | string;
  readonly providerEndpoint: readonly string[];
  readonly providerEndpointsFile?: string;
  readonly concurrency: Concurrency;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export interface MockFlags extends TlsFlags {
  readonly type: "vsphere" | "libvirt" | "mock";
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly healthPort: number;
  readonly "web.config.file"?: string;
  readonly endpoint?: string;
  readonly mock: readonly string[];
  readonly stateDir?: string;
  readonly tlsInsecure?: boolean | string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export interface ApiServerFlags {
  readonly port: number;
  readonly state?: string;
  readonly kubeconfig: string;
  readonly logLevel: LogLevel;
}

export interface ConformanceFlags extends TlsFlags {
  readonly serverName?: string;
  readonly insecure?: true;
  readonly service: "native" | "compatible";
  readonly json?: true;
}

export interface CatalogFlags {
  readonly owner?: string;
  readonly json?: true;
}

type LogLevel = "debug" | "info" | "warn" | "error";
type LogFormat = "json" | "text";

function logLevel(): Option {
  return new Option("--log-level <level>", "least level that is logged").choices(["debug", "info", "warn", "error"]);
}

function logFormat(): Option {
  return new Option("--log-format <format>", "form of log lines").choices(["json", "text"]);
}

/** An option that the environment may give too, as `ALMANAC_` and its name in capitals. */
function env(flags: string, description: string): Option {
  const option = new Option(flags, description);
  return option.env(`ALMANAC_${option.name().replaceAll("-", "_").toUpperCase()}`);
}

/** The name that Prometheus' own exporters give it. */
function webConfigFile(): Option {
  return new Option("--web.config.file <file>", "TLS and access to /metrics, /healthz and /readyz (YAML)").env(
    "ALMANAC_WEB_CONFIG_FILE",
  );
}

function shard(text: string): { readonly index: number; readonly count: number } {
  const [, index, count] = /^(\d{1,4})\/(\d{1,4})$/.exec(text) ?? [];
  const parsed = { index: Number(index), count: Number(count) };
  if (!(parsed.index < parsed.count))
    throw new InvalidArgumentError("Give index/count with an index below count, as 0/3.");
  return parsed;
}

function port(text: string): number {
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value > 65_535) throw new InvalidArgumentError("Give a port, 0 to 65535.");
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < 1) throw new InvalidArgumentError("Give a whole number, 1 or more.");
  return value;
}

function collect(text: string, previous: readonly string[]): string[] {
  return [...previous, text];
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}
