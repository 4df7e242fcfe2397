export { ExpositionError } from "./error.ts";
export { createHealth } from "./health.ts";
export { parsePage } from "./parse/page.ts";
export { PrometheusExporter } from "./prometheus-exporter.ts";
export { createPrometheusReader } from "./reader.ts";
export { startMetricsServer } from "./server.ts";
export { loadWebConfig } from "./web/web-config.ts";
export type { ExpositionErrorCode, PagePosition } from "./error.ts";
export type { Health, HealthCheck, HealthChecks, HealthOptions, HealthReport } from "./health.ts";
export type {
  PageFormat,
  ParsedExemplar,
  ParsedFamily,
  ParsedNativeHistogram,
  ParsedPage,
  ParsedSample,
  ParsedType,
} from "./parse/model.ts";
export type { Escaping, TranslationStrategy } from "./naming.ts";
export type { PrometheusExporterConfig } from "./prometheus-exporter.ts";
export type { PrometheusReader, PrometheusReaderOptions, RenderRequest } from "./reader.ts";
export type { RenderedPage } from "./rendering.ts";
export type { Scrape } from "./scrape.ts";
export type { MetricsServer, MetricsServerOptions } from "./server.ts";
export type { Format } from "./write.ts";
export type { Access, Refusal } from "./web/access.ts";
export type { ComparePassword } from "./web/compare-password.ts";
export type { ClientAuth, TlsSettings } from "./web/tls-settings.ts";
export type { WebConfig, WebConfigOptions, WebSettings } from "./web/web-config.ts";
