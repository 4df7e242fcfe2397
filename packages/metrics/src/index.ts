export { createInstruments } from "./instruments.ts";
export { observeProcess } from "./process.ts";
export type { InstrumentsOptions } from "./instruments.ts";
export type {
  BoundCounter,
  BoundRecorder,
  InstrumentOf,
  Instruments,
  Observe,
  ObserveOptions,
  TypedCounter,
  TypedObserved,
  TypedRecorder,
} from "./types.ts";
