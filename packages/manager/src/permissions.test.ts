import { readFileSync } from "node:fs";
import { createServer, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { parseAllDocuments } from "yaml";
import { afterEach, describe, expect, it, onTestFinished } from "vitest";
import { clientOf, closeWorlds, createWorld, effects, until, untilReady } from "./world.test.helper.ts";

afterEach(closeWorlds);

const namespace = "default";
const manifest = new URL("../../../charts/almanac/rbac.yaml", import.meta.url);

/** `group/resource verb`, as a rule of RBAC grants it. */
function granted(): Set<string> {
  const rules = parseAllDocuments(readFileSync(manifest, "utf8")).flatMap(
    (document) =>
      (document.toJS() as { readonly rules?: readonly Record<"apiGroups" | "resources" | "verbs", string[]>[] })
        .rules ?? [],
  );
  return new Set(
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${group === "" ? "core" : group}/${resource} ${verb}`)),
      ),
    ),
  );
}

/** What a server that checks access would ask for, by the Kubernetes documentation's "Determine the request verb". */
function permissionsFor(method: string, url: string, status: number): string[] {
  const { pathname, searchParams } = new URL(url, "http://api");
  const [, core, grouped, rest = ""] = /^\/(?:api\/v1|(apis)\/([^/]+)\/[^/]+)\/(.*)$/.exec(pathname) ?? [];
  const parts = rest.split("/");
  if (parts[0] === "namespaces" && parts.length > 2) parts.splice(0, 2);
  const [resource = "", name, subresource] = parts;
  const target = `${core === undefined ? "core" : grouped}/${resource}${subresource === undefined ? "" : `/${subresource}`}`;
  const verbs: Record<string, string> = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" };
  const reading = name !== undefined ? "get" : searchParams.get("watch") ? "watch" : "list";
  const verb = verbs[method] ?? reading;
  // Applying what is not there takes both.
  return verb === "patch" && status === 201 ? [`${target} patch`, `${target} create`] : [`${target} ${verb}`];
}

/** Passes requests on to `server` and notes what each took. */
async function startWitness(server: string, seen: Set<string>): Promise<string> {
  const proxy = createServer((incoming, outgoing) => {
    const { method = "", url = "", headers } = incoming;
    const passed = send(new URL(url, server), { method, headers }, (answer) => {
      for (const permission of permissionsFor(method, url, answer.statusCode ?? 0)) seen.add(permission);
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    });
    outgoing.on("close", () => passed.destroy());
    passed.on("error", () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

/** What no quiet day asks for. */
const seldom: ReadonlySet<string> = new Set([
  // Of the admission plugin OwnerReferencesPermissionEnforcement.
  "infra.virtrigaud.io/providers/finalizers update",
  // After a write that was refused or went unanswered.
  ...["virtualmachines", "vmclones", "vmimages", "vmsnapshots"].map((plural) => `infra.virtrigaud.io/${plural} get`),
  // Of a manager that shared the shards and is there no more.
  "coordination.k8s.io/leases delete",
  // Of an Event that repeats itself.
  "core/events patch",
]);

describe("charts/almanac/rbac.yaml", () => {
  it("grants what the manager asks for over the life of every kind, and nothing else", async () => {
    const world = await createWorld();
    const { resources } = world;
    const seen = new Set<string>();
    const kube = clientOf(await startWitness(world.api.url, seen), world.api.token);
    await world.startMock("lab", { delays: { taskMs: { min: 150, max: 150 } } });
    const first = await world.startManager({ kube, leaderElection: { namespace, identity: "first" } });
    await world.addProvider("lab");
    const data = { "user-data": Buffer.from("#cloud-config\n").toString("base64") };
    await resources.secrets.create({ metadata: { name: "seed", namespace }, data });
    await resources.vmNetworkAttachments.create({
      metadata: { name: "front", namespace },
      spec: { network: { libvirt: { networkName: "front" } } },
    } as never);
    const source = { libvirt: { url: "https://images.example/ubuntu.img" } };
    await resources.vmImages.create({
      metadata: { name: "ubuntu", namespace },
      spec: { source, prepare: {} },
    } as never);
    await world.addMachine("web", {
      imageRef: { name: "ubuntu", namespace },
      networks: [{ name: "eth0", networkRef: { name: "front", namespace } }],
      userData: { cloudInit: { secretRef: { name: "seed" } } },
    });
    await untilReady(world, "web");
    await first.stop();
    await world.startManager({ kube, sharding: { shards: 1 }, leaderElection: { namespace, identity: "second" } });
    await resources.vmSnapshots.create({
      metadata: { name: "brief", namespace },
      spec: { vmRef: { name: "web" }, retentionPolicy: { maxAge: "1ms", gracePeriod: "0s" } },
    } as never);
    await until("expired", () => effects(world, "lab").includes("DeleteSnapshot"));
    const clone = (name: string) =>
      resources.vmClones.create({
        metadata: { name, namespace },
        spec: { source: { vmRef: { name: "web" } }, target: { name: `${name}-vm` } },
      } as never);
    await clone("copy");
    await untilReady(world, "copy-vm");
    // One that is not finished goes with its machine.
    await clone("undone");
    await until("target", () => world.machine("undone-vm"));
    await resources.vmClones.delete({ name: "undone", namespace });
    await until("taken back", () => world.machine("undone-vm") === undefined);
    for (const name of ["web", "copy-vm"]) await resources.virtualMachines.delete({ name, namespace });
    await until("gone", () => ["web", "copy-vm"].every((name) => world.machine(name) === undefined));
    await resources.providers.delete({ name: "lab", namespace });
    await until("released", () => world.provider("lab") === undefined);
    const allowed = granted();
    expect([...seen].filter((permission) => !allowed.has(permission))).toEqual([]);
    expect([...allowed].filter((permission) => !seen.has(permission) && !seldom.has(permission))).toEqual([]);
  });
});
