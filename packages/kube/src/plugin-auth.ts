import type { KubeAuth } from "./connection.ts";
import { KubeError } from "./error.ts";

/**
 * Users whose credentials come from a command, a cloud's helper or an OpenID Connect issuer. `@kubernetes/client-node` knows how; it is
 * loaded only for them, because it costs 60 to 90 MB of memory and most of a second.
 *
 * `options` is the kubeconfig reduced to one cluster, user and context, in client-node's own shape.
 */
export function pluginAuth(options: {
  readonly cluster: object;
  readonly user: object;
  readonly userName: string;
}): KubeAuth {
  let config: Promise<{ applyToHTTPSOptions(target: object): Promise<void> }> | undefined;

  async function load(): Promise<{ applyToHTTPSOptions(target: object): Promise<void> }> {
    const { KubeConfig } = await import("@kubernetes/client-node");
    const loaded = new KubeConfig();
    loaded.loadFromString(
      JSON.stringify({
        clusters: [{ name: "only", cluster: options.cluster }],
        users: [{ name: options.userName, user: options.user }],
        contexts: [{ name: "only", context: { cluster: "only", user: options.userName } }],
        "current-context": "only",
      }),
    );
    return loaded;
  }

  return {
    async credentials({ refresh }) {
      // A fresh KubeConfig has an empty cache, so the command runs again.
      if (config === undefined || refresh) config = load();
      const target: { headers?: Record<string, unknown>; cert?: unknown; key?: unknown } = {};
      try {
        await (await config).applyToHTTPSOptions(target);
      } catch (error) {
        config = undefined;
        throw new KubeError("unauthorized", `the credential plugin of user "${options.userName}" failed`, {
          cause: error,
        });
      }
      const authorization = target.headers?.["Authorization"];
      return {
        ...(typeof authorization === "string" ? { authorization } : {}),
        ...(target.cert === undefined || target.cert === null ? {} : { cert: textOf(target.cert) }),
        ...(target.key === undefined || target.key === null ? {} : { key: textOf(target.key) }),
      };
    },
  };
}

function textOf(pem: unknown): string {
  return Buffer.isBuffer(pem) ? pem.toString("utf8") : String(pem);
}
