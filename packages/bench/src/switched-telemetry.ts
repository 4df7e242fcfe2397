import { context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { createNoopTelemetry } from "@almanac/telemetry";
import type { Telemetry } from "@almanac/telemetry";
import { managerTelemetry, telemetryKinds } from "./manager-telemetry.ts";
import type { TelemetryKind } from "./manager-telemetry.ts";

/** Several telemetries as one, of which one is in use. */
export interface SwitchedTelemetry {
  readonly telemetry: Telemetry;
  /** Of those that serve metrics. */
  readonly metricsUrls: readonly string[];
  /** From now on `kind` records whatever is recorded. With "none" no context follows `await` either. */
  readonly use: (kind: TelemetryKind) => void;
}

/** Things of the same shape, one of each telemetry. */
type Several<T> = readonly T[];
type Method = (...values: unknown[]) => unknown;
type Instrument = Readonly<Record<string, Method>>;

/**
 * For measuring what metrics and traces cost within one process: what differs from process to process, such as what the compiler made of the
 * code and where memory lies, makes several percent. The log is written whichever is in use. Starts with "none".
 */
export async function createSwitchedTelemetry(tracesUrl: string): Promise<SwitchedTelemetry> {
  // Registered before the telemetries start, so that they leave it alone.
  const contexts = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(contexts);
  const all: Telemetry[] = [];
  for (const kind of telemetryKinds) all.push(await managerTelemetry(kind, tracesUrl));
  const { logger: log } = all.at(-1) ?? createNoopTelemetry();
  let used = 0;

  function pick<T>(several: Several<T>): T {
    return several[used] as T;
  }

  /** An object whose methods are those of whichever is in use. */
  function switched(several: Several<Instrument>): Instrument {
    const methods = Object.keys(several[0] ?? {}).map((name): [string, Method] => {
      const own = several.map((instrument) => (instrument[name] as Method).bind(instrument));
      if (name === "bind") return [name, (...labels) => switched(own.map((bind) => bind(...labels) as Instrument))];
      // At each scrape of each of them.
      if (name === "observe")
        return [name, (...given) => disposeAll(own.map((observe) => observe(...given) as Disposable))];
      return [name, (...values) => pick(own)(...values)];
    });
    return Object.fromEntries(methods);
  }

  function instruments(several: Several<object>): never {
    const names = Object.keys(several[0] ?? {});
    const of = (name: string): Several<Instrument> =>
      several.map((one) => (one as Readonly<Record<string, Instrument>>)[name] ?? {});
    return Object.fromEntries(names.map((name) => [name, switched(of(name))])) as never;
  }

  const telemetry: Telemetry = {
    ...pick(all),
    tracerProvider: {
      getTracer(...name) {
        const tracers = all.map(({ tracerProvider }) => tracerProvider.getTracer(...name));
        return switched(tracers.map(methodsOf)) as never;
      },
    },
    propagator: {
      inject: (...to) => pick(all).propagator.inject(...to),
      extract: (...from) => pick(all).propagator.extract(...from),
      fields: () => pick(all).propagator.fields(),
    },
    logger: log,
    flush: () => pick(all).flush(),
    stack: instruments(all.map(({ stack }) => stack)),
    instruments: (catalog) => instruments(all.map((one) => one.instruments(catalog))),
  };

  function use(kind: TelemetryKind): void {
    used = telemetryKinds.indexOf(kind);
    if (kind === "none") context.disable();
    else context.setGlobalContextManager(contexts.enable());
  }

  use("none");
  return { telemetry, metricsUrls: all.flatMap(({ metricsUrl }) => metricsUrl ?? []), use };
}

/** Tracers are classes, whose methods are not their own properties. */
function methodsOf(tracer: ReturnType<Telemetry["tracerProvider"]["getTracer"]>): Instrument {
  return {
    startSpan: tracer.startSpan.bind(tracer) as Method,
    startActiveSpan: tracer.startActiveSpan.bind(tracer) as Method,
  };
}

function disposeAll(disposables: readonly Disposable[]): Disposable {
  const stack = new DisposableStack();
  for (const disposable of disposables) stack.use(disposable);
  return stack;
}
