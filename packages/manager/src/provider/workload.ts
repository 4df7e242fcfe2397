import type { KubeObject } from "@almanac/kube";
import type { Provider } from "../api/provider.ts";
import { group, version } from "../api/define-kind.ts";
import { servicePort, tlsSecretName, workloadName } from "./names.ts";

/** Field manager of everything the manager applies. */
export const fieldManager = "virtrigaud-manager";

const tlsFolder = "/etc/virtrigaud/tls";
const credentialsFolder = "/etc/virtrigaud/credentials";
const stateFolder = "/var/lib/virtrigaud";
const metricsPort = 8080;

interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: unknown;
}

/** The Deployment and the Service that run a Provider. Throws ManagerError `invalid_spec` for a name that is too long. */
export function providerWorkload(provider: Provider): {
  readonly deployment: KubeObject;
  readonly service: KubeObject;
} {
  const name = workloadName(provider);
  const { namespace, uid } = provider.metadata;
  const { runtime } = provider.spec;
  const labels = {
    "app.kubernetes.io/name": "virtrigaud",
    "app.kubernetes.io/component": "provider",
    "app.kubernetes.io/instance": provider.metadata.name,
    "app.kubernetes.io/managed-by": fieldManager,
    "virtrigaud.io/provider": provider.metadata.name,
  };
  const selector = {
    "app.kubernetes.io/component": "provider",
    "app.kubernetes.io/instance": provider.metadata.name,
    "app.kubernetes.io/managed-by": fieldManager,
  };
  const metadata = {
    name,
    namespace,
    labels,
    ownerReferences: [
      {
        apiVersion: `${group}/${version}`,
        kind: "Provider",
        name: provider.metadata.name,
        uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  };
  const secret = tlsSecretName(provider);
  const pod = {
    ...given({
      affinity: runtime.affinity,
      nodeSelector: runtime.nodeSelector,
      tolerations: runtime.tolerations,
      imagePullSecrets: runtime.imagePullSecrets,
    }),
    containers: [
      {
        name: "provider",
        image: runtime.image,
        ...given({
          imagePullPolicy: runtime.imagePullPolicy,
          resources: runtime.resources,
          securityContext: runtime.securityContext,
        }),
        ports: [
          { name: "grpc", containerPort: servicePort(provider), protocol: "TCP" },
          { name: "metrics", containerPort: metricsPort, protocol: "TCP" },
        ],
        env: environment(provider, secret),
        livenessProbe: runtime.livenessProbe ?? probe("/healthz"),
        readinessProbe: runtime.readinessProbe ?? probe("/readyz"),
        volumeMounts: [
          { name: "credentials", mountPath: credentialsFolder, readOnly: true },
          ...(secret === undefined ? [] : [{ name: "tls", mountPath: tlsFolder, readOnly: true }]),
          { name: "state", mountPath: stateFolder },
        ],
      },
    ],
    volumes: [
      { name: "credentials", secret: { secretName: provider.spec.credentialSecretRef.name } },
      ...(secret === undefined ? [] : [{ name: "tls", secret: { secretName: secret } }]),
      { name: "state", emptyDir: {} },
    ],
  };
  const deployment = {
    metadata,
    spec: {
      replicas: runtime.replicas ?? 1,
      selector: { matchLabels: selector },
      template: { metadata: { labels }, spec: pod },
    },
  };
  const service = {
    // A ServiceMonitor with this label as its jobLabel scrapes all providers under one job.
    metadata: { ...metadata, labels: { ...labels, "virtrigaud.io/job": "virtrigaud-provider" } },
    spec: {
      selector,
      ports: [
        { name: "grpc", port: servicePort(provider), targetPort: "grpc", protocol: "TCP" },
        { name: "metrics", port: metricsPort, targetPort: "metrics", protocol: "TCP" },
      ],
    },
  };
  return { deployment, service };
}

function environment(provider: Provider, tlsSecret: string | undefined): EnvVar[] {
  const { metadata, spec } = provider;
  const defaults: EnvVar[] = [
    { name: "PROVIDER_TYPE", value: spec.type },
    { name: "PROVIDER_NAME", value: metadata.name },
    { name: "PROVIDER_NAMESPACE", value: metadata.namespace },
    { name: "PROVIDER_ENDPOINT", value: spec.endpoint },
    { name: "PROVIDER_PORT", value: String(servicePort(provider)) },
    { name: "PROVIDER_HEALTH_PORT", value: String(metricsPort) },
    ...(tlsSecret === undefined
      ? [{ name: "TLS_INSECURE", value: "true" }]
      : [
          { name: "TLS_CERT_FILE", value: `${tlsFolder}/tls.crt` },
          { name: "TLS_KEY_FILE", value: `${tlsFolder}/tls.key` },
          { name: "TLS_CA_FILE", value: `${tlsFolder}/ca.crt` },
        ]),
    { name: "CREDENTIALS_DIR", value: credentialsFolder },
    { name: "STATE_DIR", value: stateFolder },
    { name: "LOG_LEVEL", value: spec.runtime.logLevel ?? "info" },
    { name: "LOG_FORMAT", value: spec.runtime.logFormat ?? "text" },
  ];
  const asked = Array.isArray(spec.runtime.env) ? (spec.runtime.env as EnvVar[]) : [];
  const names = new Set(asked.map(({ name }) => name));
  return [...defaults.filter(({ name }) => !names.has(name)), ...asked];
}

function probe(path: string): object {
  return { httpGet: { path, port: "metrics" } };
}

/** Only what is there: an apply that names a field owns it. */
function given<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
