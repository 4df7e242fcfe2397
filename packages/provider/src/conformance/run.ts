import { describeError } from "@almanac/core";
import type { ClientTls, GrpcTelemetry } from "@almanac/grpc";
import { createNoopTelemetry } from "@almanac/telemetry";
import { createProviderClient, type ProviderClient } from "../client.ts";
import type { ServiceName } from "../contract.ts";
import { ProviderError } from "../error.ts";
import { createCaseContext, Skip, type ConformanceCase } from "./case.ts";
import { lifecycleCases } from "./lifecycle-cases.ts";
import { powerCases } from "./power-cases.ts";
import { serviceCases } from "./service-cases.ts";
import { retryingClient } from "./retry.ts";
import { createStandardProbes } from "./standard-probes.ts";
import { storageCases } from "./storage-cases.ts";

const cases: readonly ConformanceCase[] = [...serviceCases, ...lifecycleCases, ...powerCases, ...storageCases];

/** How one case went. */
export interface CaseResult {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it failed or was skipped; empty when it passed. */
  readonly reason: string;
  readonly durationMs: number;
}

/** How all of them went. */
export interface ConformanceReport {
  readonly results: readonly CaseResult[];
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface ConformanceOptions {
  /** `host:port` of the provider. */
  readonly address: string;
  readonly tls: ClientTls | "insecure";
  /** Which service name is put to the test. Default `native`; `compatible` for a VirtRigaud provider. */
  readonly service?: ServiceName;
  /** Start of the names of the VMs it makes. Default `conformance`. */
  readonly prefix?: string;
  /** Stops after the case at work, which fails; what it made is still removed. */
  readonly signal?: AbortSignal;
  /** How long one case, and removing its VMs, may take each, milliseconds. Default 2 minutes. */
  readonly caseTimeoutMs?: number;
  /** Suspends a VM without the provider; without it the case about that is skipped. */
  suspend?(vmId: string): Promise<void>;
  /** Called after each case. */
  onCase?(result: CaseResult): void;
  readonly telemetry?: GrpcTelemetry;
}

/**
 * Puts a running provider to the test, one case after the other, and removes every VM it has made. Never rejects for what the provider
 * does: a provider that cannot be reached has one failed case. What may be asked again after UNAVAILABLE is asked up to six times, so that a
 * connection that breaks now and then fails no case; tasks that end in an error do.
 */
export async function runConformance(options: ConformanceOptions): Promise<ConformanceReport> {
  const { address, tls, service = "native", prefix = "conformance", caseTimeoutMs = 120_000 } = options;
  const telemetry = options.telemetry ?? createNoopTelemetry();
  const stop = options.signal ?? new AbortController().signal;
  using connection = createProviderClient({ address, tls, telemetry, service });
  using otherConnection = createProviderClient({
    address,
    tls,
    telemetry,
    service: service === "native" ? "compatible" : "native",
  });
  const [client, otherClient] = [retryingClient(connection), retryingClient(otherConnection)];
  using standard = createStandardProbes(address, tls);
  const results: CaseResult[] = [];
  const report = (result: CaseResult): void => {
    results.push(result);
    options.onCase?.(result);
  };

  const started = performance.now();
  const capabilities = await client.getCapabilities({}, { signal: stop }).catch((thrown: unknown) => {
    const durationMs = performance.now() - started;
    report({ name: "the provider says what it offers", outcome: "failed", reason: describeError(thrown), durationMs });
    return undefined;
  });
  if (capabilities === undefined) return summarise(results);

  for (const entry of cases) {
    if (stop.aborted) break;
    report(
      await runCase(entry, caseTimeoutMs, stop, (signal) =>
        createCaseContext({
          client,
          other: () => requireService(otherClient),
          address,
          capabilities,
          signal,
          compatible: service === "compatible",
          standard,
          suspend: options.suspend?.bind(options),
          prefix,
        }),
      ),
    );
  }
  return summarise(results);
}

async function runCase(
  entry: ConformanceCase,
  timeoutMs: number,
  stop: AbortSignal,
  open: (signal: AbortSignal) => ReturnType<typeof createCaseContext>,
): Promise<CaseResult> {
  const start = performance.now();
  const end = (outcome: CaseResult["outcome"], reason = ""): CaseResult => ({
    name: entry.name,
    outcome,
    reason,
    durationMs: performance.now() - start,
  });
  const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
  const { context, made } = open(signal);
  let result: CaseResult;
  try {
    await untilAborted(entry.run(context), signal);
    result = end("passed");
  } catch (thrown) {
    result = thrown instanceof Skip ? end("skipped", thrown.message) : end("failed", describeError(thrown));
  }
  // Removing has a time of its own, so that a case that hung or was stopped leaves nothing behind either.
  const cleaning = open(AbortSignal.timeout(timeoutMs));
  for (const id of made) cleaning.context.cleanUp(id);
  try {
    await cleaning.cleanUp();
  } catch (thrown) {
    return result.outcome === "failed"
      ? result
      : end("failed", `its VMs could not be removed: ${describeError(thrown)}`);
  }
  return result;
}

function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

async function requireService(client: ProviderClient): Promise<ProviderClient> {
  try {
    await client.getCapabilities({});
    return client;
  } catch (thrown) {
    if (ProviderError.from(thrown).code === "UNIMPLEMENTED") {
      throw new Skip("the provider serves one service name only");
    }
    throw thrown;
  }
}

function summarise(results: readonly CaseResult[]): ConformanceReport {
  const count = (outcome: CaseResult["outcome"]): number =>
    results.filter((result) => result.outcome === outcome).length;
  return { results, passed: count("passed"), failed: count("failed"), skipped: count("skipped") };
}
