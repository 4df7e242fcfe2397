import { TraceFlags } from "@opentelemetry/api";
import type { Context } from "@opentelemetry/api";
import { SamplingDecision } from "@opentelemetry/sdk-trace";
import type { Sampler, SamplingResult } from "@opentelemetry/sdk-trace";
import { parentOf } from "./parent.ts";

const sampled: SamplingResult = Object.freeze({ decision: SamplingDecision.RECORD_AND_SAMPLED });
const notSampled: SamplingResult = Object.freeze({ decision: SamplingDecision.NOT_RECORD });

/**
 * The default: as the parent, and every span that has none. Decides as the official `ParentBasedSampler` with `AlwaysOnSampler` for its root, of
 * which it is the quicker twin.
 */
export class ParentBasedAlwaysOnSampler implements Sampler {
  shouldSample(at: Context): SamplingResult {
    const parent = parentOf(at);
    return parent === undefined || (parent.traceFlags & TraceFlags.SAMPLED) !== 0 ? sampled : notSampled;
  }

  toString(): string {
    return "ParentBased{root=AlwaysOnSampler, remoteParentSampled=AlwaysOnSampler, remoteParentNotSampled=AlwaysOffSampler, localParentSampled=AlwaysOnSampler, localParentNotSampled=AlwaysOffSampler}";
  }
}
