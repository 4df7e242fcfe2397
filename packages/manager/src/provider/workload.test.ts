import { describe, expect, it } from "vitest";
import type { Provider } from "../api/provider.ts";
import { tlsSecretName, workloadName } from "./names.ts";
import { providerWorkload } from "./workload.ts";

function provider(runtime: Partial<Provider["spec"]["runtime"]> = {}, name = "lab"): Provider {
  return {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "Provider",
    metadata: { name, namespace: "default", uid: "u-1", resourceVersion: "1", generation: 1, creationTimestamp: "" },
    spec: {
      type: "libvirt",
      endpoint: "qemu:///system",
      credentialSecretRef: { name: "root" },
      runtime: { image: "registry.example/provider:1", ...runtime },
    },
  };
}

interface Pod {
  readonly containers: readonly [
    {
      readonly env: readonly { readonly name: string; readonly value?: string }[];
      readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
      readonly readinessProbe: unknown;
    },
  ];
  readonly volumes: readonly unknown[];
  readonly tolerations?: unknown;
}

function podOf(of: Provider): Pod {
  return (providerWorkload(of).deployment as unknown as { spec: { template: { spec: Pod } } }).spec.template.spec;
}

function env(of: Provider): Record<string, string | undefined> {
  return Object.fromEntries(podOf(of).containers[0].env.map(({ name, value }) => [name, value]));
}

describe("providerWorkload", () => {
  it("names, labels and owns what it describes", () => {
    const { deployment, service } = providerWorkload(provider());
    for (const { metadata } of [deployment, service]) {
      expect(metadata).toMatchObject({
        name: "virtrigaud-provider-default-lab",
        namespace: "default",
        labels: { "app.kubernetes.io/component": "provider", "virtrigaud.io/provider": "lab" },
        ownerReferences: [{ kind: "Provider", name: "lab", uid: "u-1", controller: true }],
      });
    }
    expect(service.metadata.labels?.["virtrigaud.io/job"]).toBe("virtrigaud-provider");
    expect(service).toMatchObject({
      spec: {
        ports: [
          { name: "grpc", port: 9443 },
          { name: "metrics", port: 8080 },
        ],
      },
    });
  });

  it("tells the provider who it is and where its files are", () => {
    expect(env(provider())).toEqual({
      PROVIDER_TYPE: "libvirt",
      PROVIDER_NAME: "lab",
      PROVIDER_NAMESPACE: "default",
      PROVIDER_ENDPOINT: "qemu:///system",
      PROVIDER_PORT: "9443",
      PROVIDER_HEALTH_PORT: "8080",
      TLS_CERT_FILE: "/etc/virtrigaud/tls/tls.crt",
      TLS_KEY_FILE: "/etc/virtrigaud/tls/tls.key",
      TLS_CA_FILE: "/etc/virtrigaud/tls/ca.crt",
      CREDENTIALS_DIR: "/etc/virtrigaud/credentials",
      STATE_DIR: "/var/lib/virtrigaud",
      LOG_LEVEL: "info",
      LOG_FORMAT: "text",
    });
    expect(podOf(provider()).volumes).toEqual([
      { name: "credentials", secret: { secretName: "root" } },
      { name: "tls", secret: { secretName: "virtrigaud-provider-default-lab-tls" } },
      { name: "state", emptyDir: {} },
    ]);
  });

  it("passes plaintext, the user's variables and pod fields on", () => {
    const asked = provider({
      service: { port: 9555, tls: { enabled: false } },
      env: [
        { name: "LOG_LEVEL", value: "debug" },
        { name: "MOCK_SEED", value: "1" },
      ],
      tolerations: [{ key: "hypervisor" }],
      readinessProbe: { tcpSocket: { port: 1 } },
    });
    expect(env(asked)).toMatchObject({
      TLS_INSECURE: "true",
      LOG_LEVEL: "debug",
      MOCK_SEED: "1",
      PROVIDER_PORT: "9555",
    });
    expect(env(asked)).not.toHaveProperty("TLS_CERT_FILE");
    const pod = podOf(asked);
    expect(pod.containers[0].env.filter(({ name }) => name === "LOG_LEVEL")).toHaveLength(1);
    expect(pod.containers[0].volumeMounts.map(({ name }) => name)).toEqual(["credentials", "state"]);
    expect(pod.tolerations).toEqual([{ key: "hypervisor" }]);
    expect(pod.containers[0].readinessProbe).toEqual({ tcpSocket: { port: 1 } });
  });
});

describe("workloadName", () => {
  it("refuses a name that no Service can have", () => {
    expect(() => workloadName(provider({}, "a".repeat(40)))).toThrow(
      /^\[invalid_spec\].*of at most 63; choose a shorter name/,
    );
  });
});

describe("tlsSecretName", () => {
  it("is the one the object names, a usual one without, and none for plaintext", () => {
    expect(tlsSecretName(provider({ service: { tls: { secretRef: { name: "own" } } } }))).toBe("own");
    expect(tlsSecretName(provider({ service: { tls: { secretRef: { name: "" } } } }))).toBe(
      "virtrigaud-provider-default-lab-tls",
    );
    expect(tlsSecretName(provider({ service: { tls: { enabled: false } } }))).toBeUndefined();
  });
});
