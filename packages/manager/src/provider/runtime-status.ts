import type { Provider } from "../api/provider.ts";
import type { ConditionInput } from "../conditions.ts";
import type { Deployment } from "../resources.ts";
import { serviceHost, servicePort, workloadName } from "./names.ts";

/** `status.runtime` and its condition, from the Provider's Deployment. Pure. */
export function runtimeStatus(
  provider: Provider,
  deployment: Deployment | undefined,
): { readonly runtime: NonNullable<NonNullable<Provider["status"]>["runtime"]>; readonly condition: ConditionInput } {
  const { readyReplicas = 0, availableReplicas = 0, conditions = [] } = deployment?.status ?? {};
  const words = conditions.find(({ type }) => type === "Available")?.message;
  const running = availableReplicas > 0;
  const phase = running ? "Running" : deployment === undefined ? "Pending" : "Starting";
  const message = running ? undefined : (words ?? "the Deployment has no available pod yet");
  return {
    runtime: {
      mode: "Remote",
      endpoint: `${serviceHost(provider)}:${servicePort(provider)}`,
      phase,
      readyReplicas,
      availableReplicas,
      serviceRef: { name: workloadName(provider) },
      ...(message === undefined ? {} : { message }),
    },
    condition: {
      type: "ProviderRuntimeReady",
      status: running ? "True" : "False",
      reason: running ? "DeploymentAvailable" : "DeploymentUnavailable",
      message: message ?? `${availableReplicas} pods are available`,
    },
  };
}
