import { sleep, type Clock } from "@almanac/core";
import type { ProviderMethod } from "@almanac/catalog";
import { ProviderError, type TaskInfo, type TaskRun, type TaskStore } from "@almanac/provider";
import type { Change } from "./change.ts";
import type { MockHypervisor } from "./hypervisor.ts";
import type { Plan } from "./planning.ts";

/** What a task needs to have its effect, also in another process. */
export interface TaskInput {
  readonly change: Change;
  /** Wall time at which the effect happens. */
  readonly dueMs: number;
  /** Set when the task is to fail instead. */
  readonly failure?: string;
}

/** Turns plans into effects: at once, or by a task when the settings say that it takes time or fails. */
export interface Operations {
  /** The task that carries the plan out; nothing when it is done. `limitMs` cuts the drawn duration. */
  carryOut(method: ProviderMethod, plan: Plan, limitMs?: number): { readonly task?: { readonly id: string } };
  /** The rest of a task another process left behind. */
  resume(task: TaskInfo): TaskRun;
}

export function createOperations(hypervisor: MockHypervisor, tasks: () => TaskStore, clock: Clock): Operations {
  const { delays, failures } = hypervisor.settings;
  const { random } = hypervisor;
  const taskOfChange = new Map<string, string>();

  function run({ change, dueMs, failure }: TaskInput): TaskRun {
    return async (signal) => {
      try {
        await sleep(Math.max(0, dueMs - clock.now()), { signal, clock });
        if (hypervisor.outage) throw new ProviderError("UNAVAILABLE", "the hypervisor is not reachable");
        if (failure !== undefined) throw new ProviderError("ABORTED", failure);
        hypervisor.apply(change);
      } finally {
        hypervisor.release(change);
        taskOfChange.delete(change.id);
      }
    };
  }

  return {
    carryOut(method, { change }, limitMs = Number.POSITIVE_INFINITY) {
      if (change === undefined) return {};
      const underway = taskOfChange.get(change.id);
      if (underway !== undefined) return { task: { id: underway } };
      const rate = failures.methods[method]?.taskRate ?? failures.taskRate;
      const fails = change.method !== "Adopt" && rate > 0 && random.next(`taskRate/${method}`) < rate;
      const drawnMs = change.method === "Adopt" ? 0 : random.between(`taskMs/${method}`, delays.taskMs);
      const delayMs = Math.min(drawnMs, limitMs);
      if (delayMs === 0 && !fails) {
        hypervisor.apply(change);
        return {};
      }
      const input: TaskInput = {
        change,
        dueMs: clock.now() + delayMs,
        ...(fails ? { failure: `injected failure of ${method}` } : {}),
      };
      hypervisor.reserve(change);
      try {
        const task = tasks().start({ operation: method, input, run: run(input) });
        taskOfChange.set(change.id, task.id);
        return { task };
      } catch (thrown) {
        hypervisor.release(change);
        throw thrown;
      }
    },
    resume(task) {
      const input = task.input as TaskInput;
      hypervisor.reserve(input.change);
      taskOfChange.set(input.change.id, task.id);
      return run(input);
    },
  };
}
