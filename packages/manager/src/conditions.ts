import type { Condition } from "./api/schema.ts";

/** A condition as a reconciler states it. */
export interface ConditionInput {
  readonly type: string;
  readonly status: Condition["status"];
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

/** What a condition is about and when it was found. */
interface ConditionContext {
  readonly generation: number | undefined;
  readonly nowMs: number;
}

const longestMessage = 32_768;

/** An RFC 3339 time in whole seconds, as Kubernetes writes them. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/**
 * A copy of `conditions` with `input` in the place of its type. The transition time moves only when the status does.
 * Source: Kubernetes API conventions, typical status properties.
 */
export function withCondition(
  conditions: readonly Condition[] | undefined,
  input: ConditionInput,
  context: ConditionContext,
): Condition[] {
  const before = conditions?.find(({ type }) => type === input.type);
  const next: Condition = {
    type: input.type,
    status: input.status,
    reason: input.reason,
    message: input.message.slice(0, longestMessage),
    lastTransitionTime:
      before !== undefined && before.status === input.status ? before.lastTransitionTime : timestamp(context.nowMs),
    ...(context.generation === undefined ? {} : { observedGeneration: context.generation }),
  };
  if (before === undefined) return [...(conditions ?? []), next];
  return (conditions ?? []).map((condition) => (condition === before ? next : condition));
}

/** A copy without the condition of `type`. */
export function withoutCondition(conditions: readonly Condition[] | undefined, type: string): Condition[] {
  return (conditions ?? []).filter((condition) => condition.type !== type);
}

export function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}
