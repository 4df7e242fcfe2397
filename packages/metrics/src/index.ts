export { createMeterProvider } from "./engine/provider.ts";
export { MetricsError } from "./engine/error.ts";
export { createInstruments } from "./instruments.ts";
export { observeProcess } from "./process.ts";
export type { MetricsErrorCode } from "./engine/error.ts";
export type { ExemplarFilter } from "./engine/exemplar.ts";
export type {
  BoundAdder,
  BoundSetter,
  EngineCounter,
  EngineGauge,
  EngineHistogram,
  EngineUpDownCounter,
  SeriesControl,
} from "./engine/instrument.ts";
export type { EngineMeter } from "./engine/meter.ts";
export type { EngineMeterProvider, MeterProviderOptions } from "./engine/provider.ts";
export type { InstrumentsOptions } from "./instruments.ts";
export type {
  BoundCounter,
  BoundRecorder,
  InstrumentOf,
  Instruments,
  Observe,
  ObserveOptions,
  RemovableSeries,
  StartableSeries,
  TypedCounter,
  TypedHistogram,
  TypedObserved,
  TypedRecorder,
} from "./types.ts";
