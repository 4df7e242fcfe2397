import type { Provider } from "../api/provider.ts";
import { ManagerError } from "../error.ts";

/** `namespace/name`. */
export function providerKey({ metadata }: Provider): string {
  return `${metadata.namespace}/${metadata.name}`;
}

// Source: RFC 1123; a Service's name is one DNS label.
const longestServiceName = 63;

/**
 * Name of a Provider's Deployment and Service.
 *
 * @throws ManagerError `invalid_spec` when it is too long for a Service.
 */
export function workloadName(provider: Provider): string {
  const { namespace, name } = provider.metadata;
  const result = `virtrigaud-provider-${namespace}-${name}`;
  if (result.length > longestServiceName) {
    throw new ManagerError(
      "invalid_spec",
      `its Service would be named ${result}, ${result.length} characters of at most ${longestServiceName}; ` +
        "choose a shorter name for the Provider or its namespace",
    );
  }
  return result;
}

/** DNS name of the Service, which the provider's certificate carries. */
export function serviceHost(provider: Provider): string {
  return `${workloadName(provider)}.${provider.metadata.namespace}.svc`;
}

export function servicePort(provider: Provider): number {
  return provider.spec.runtime.service?.port ?? 9443;
}

/** Secret with the provider's certificate; undefined when it serves plaintext. */
export function tlsSecretName(provider: Provider): string | undefined {
  const tls = provider.spec.runtime.service?.tls;
  if (tls?.enabled === false) return undefined;
  return tls?.secretRef?.name || `${workloadName(provider)}-tls`;
}
