import { request } from "node:https";
import { createTestPki } from "@almanac/testkit";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { createApiServer } from "./index.ts";

it("serves HTTPS with the caller's certificate, and its kubeconfig is enough to trust it", async () => {
  await using server = await createApiServer({ tls: await (await createTestPki()).issue() });
  const config = parse(server.kubeconfig) as {
    clusters: [{ cluster: { server: string; "certificate-authority-data": string } }];
    users: [{ user: { token: string } }];
  };
  const { cluster } = config.clusters[0];
  expect(cluster.server).toMatch(/^https:/);
  const ca = Buffer.from(cluster["certificate-authority-data"], "base64");
  const headers = { authorization: `Bearer ${config.users[0].user.token}` };
  const status = await new Promise<number | undefined>((resolve, reject) => {
    request(`${cluster.server}/api/v1/namespaces`, { ca, headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
  expect(status).toBe(200);
});
