import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createApiServer } from "@almanac/apiserver";
import { makeFolder, untilShutdown } from "@almanac/core";
import type { ApiServerFlags } from "../program.ts";
import { createLineLogger } from "../up/line-logger.ts";
import { untilAborted } from "../until-aborted.ts";
import { createDemoAuthority } from "../up/pki.ts";

/** Runs the embedded Kubernetes API on 127.0.0.1 until SIGINT or SIGTERM. */
export async function apiServer(flags: ApiServerFlags): Promise<void> {
  using shutdown = untilShutdown();
  const authority = await createDemoAuthority();
  const pair = await authority.issue(["localhost", "127.0.0.1"]);
  await using server = await createApiServer({
    port: flags.port,
    tls: { ...pair, ca: authority.ca },
    logger: createLineLogger({ level: flags.logLevel }),
    ...(flags.state === undefined ? {} : { stateDir: flags.state }),
  });
  makeFolder(dirname(flags.kubeconfig));
  writeFileSync(flags.kubeconfig, server.kubeconfig, { mode: 0o600 });
  console.log(`Kubernetes API on ${server.url}; kubectl --kubeconfig ${flags.kubeconfig} get namespaces`);
  await untilAborted(shutdown.signal);
}
