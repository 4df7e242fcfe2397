import { stringify } from "yaml";

/** A kubeconfig with one context, `almanac`. */
export function renderKubeconfig(url: string, token: string, ca: string | undefined): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "almanac",
    clusters: [
      {
        name: "almanac",
        cluster: {
          server: url,
          ...(ca === undefined ? {} : { "certificate-authority-data": Buffer.from(ca).toString("base64") }),
        },
      },
    ],
    users: [{ name: "almanac", user: { token } }],
    contexts: [{ name: "almanac", context: { cluster: "almanac", user: "almanac", namespace: "default" } }],
  });
}
