import type { TextMapPropagator } from "@opentelemetry/api";
import { CompositePropagator, W3CBaggagePropagator } from "@opentelemetry/core";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  type Sampler,
} from "@opentelemetry/sdk-trace";
import type { Environment } from "./environment.ts";
import { TraceContextPropagator } from "./trace/propagator.ts";
import { ParentBasedAlwaysOnSampler } from "./trace/sampler.ts";

/** The sampler of `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`. */
export function createSampler({ name, ratio }: Environment["sampler"]): Sampler {
  switch (name) {
    case "always_on":
      return new AlwaysOnSampler();
    case "always_off":
      return new AlwaysOffSampler();
    case "traceidratio":
      return new TraceIdRatioBasedSampler(ratio);
    case "parentbased_always_on":
      return new ParentBasedAlwaysOnSampler();
    case "parentbased_always_off":
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case "parentbased_traceidratio":
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) });
  }
}

/** The propagators of `OTEL_PROPAGATORS`, as one. */
export function createPropagator(names: Environment["propagators"]): TextMapPropagator {
  const create = { tracecontext: () => new TraceContextPropagator(), baggage: () => new W3CBaggagePropagator() };
  return new CompositePropagator({ propagators: names.map((name) => create[name]()) });
}
