import type { KubeConnection } from "./connection.ts";

export interface LoadKubeConfigOptions {
  /** Path of one kubeconfig. Default: the files of KUBECONFIG, else ~/.kube/config, else the service account of the pod. */
  readonly kubeconfig?: string;
  /** Default: the file's current-context. */
  readonly context?: string;
  /** Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export declare function loadKubeConfig(options?: LoadKubeConfigOptions): Promise<KubeConnection>;
