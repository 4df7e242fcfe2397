/**
 * Real peers for scenarios: `node e2e/peers/setup.ts` builds them, these functions start them on the loopback interface.
 */
export { PeerError } from "./errors.ts";
export type { PeerErrorCode } from "./errors.ts";
export { peerPath } from "./peer-path.ts";
export { freePorts } from "./ports.ts";
export type { Exit, PeerProcess, StartOptions } from "./process.ts";
export type { BinaryName } from "./recipes.ts";
export { startCollector } from "./start-collector.ts";
export type { Collector, CollectorOptions } from "./start-collector.ts";
export { startJaeger } from "./start-jaeger.ts";
export type { Jaeger, JaegerOptions } from "./start-jaeger.ts";
export { startPrometheus } from "./start-prometheus.ts";
export type { Prometheus, PrometheusOptions, ScrapeTarget } from "./start-prometheus.ts";
