import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, must } from "../lib/report.ts";
import type { Report } from "../lib/report.ts";
import type { UpJson } from "../lib/up.ts";
import { peerPath } from "../peers/peers.ts";

const machine = `apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata:
  name: by-hand
  namespace: default
spec:
  providerRef: { name: libvirt-lab }
  classRef: { name: small }
  imageRef: { name: ubuntu-22-04 }
  powerState: "On"
`;

/** The unmodified kubectl against the embedded API: what a person types. */
export async function kubectlChecks(report: Report, info: UpJson, folder: string): Promise<void> {
  const file = join(folder, "by-hand.yaml");
  writeFileSync(file, machine);
  const kubectl = (
    args: readonly string[],
    input?: string,
  ): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(peerPath("kubectl"), ["--kubeconfig", info.kubeconfig, ...args], {
      encoding: "utf8",
      timeout: 60_000,
      env: { PATH: process.env["PATH"] ?? "", HOME: folder },
      ...(input === undefined ? {} : { input }),
    });
  const must0 = (args: readonly string[], input?: string): string => {
    const { status, stdout, stderr } = kubectl(args, input);
    must(status === 0, `kubectl ${args.join(" ")}: exit code ${status}: ${stderr}`);
    return stdout;
  };
  const watch = spawn(
    peerPath("kubectl"),
    ["--kubeconfig", info.kubeconfig, "get", "vm", "-w", "--output-watch-events", "-o", "name"],
    { stdio: ["ignore", "pipe", "ignore"], env: { PATH: process.env["PATH"] ?? "", HOME: folder } },
  );
  let watched = "";
  watch.stdout.on("data", (chunk: Buffer) => (watched += chunk.toString()));

  await report.check("kubectl apply creates a machine, and the manager makes it run", async () => {
    must(must0(["apply", "-f", file]).includes("created"), "not created");
    must0(["wait", "vm/by-hand", "--for=jsonpath={.status.phase}=Running", "--timeout=60s"]);
    const row = must0(["get", "vm", "by-hand"]);
    must(/PHASE\s+PROVIDER\s+CLASS\s+IMAGE\s+IPS\s+AGE/.test(row), `columns of the definition are missing:\n${row}`);
    return row.split("\n")[1] ?? "";
  });
  await report.check("kubectl apply again changes nothing", () => {
    must(must0(["apply", "-f", file]).includes("unchanged"), "not unchanged");
  });
  await report.check("kubectl apply --server-side and diff", () => {
    must0(["apply", "--server-side", "--force-conflicts", "-f", file]);
    const { status, stderr } = kubectl(["diff", "--server-side", "--force-conflicts", "-f", file]);
    must(status === 0, `diff exit code ${status}: ${stderr}`);
    const changed = kubectl(["diff", "-f", "-"], machine.replace('"On"', '"Off"'));
    must(changed.status === 1, `diff of a change: exit code ${changed.status}: ${changed.stderr}`);
    must(/^\+\s+powerState: "?Off"?$/m.test(changed.stdout), changed.stdout);
  });
  await report.check("kubectl patch in all three forms", () => {
    must0(["patch", "vm", "by-hand", "--type=merge", "-p", '{"metadata":{"labels":{"a":"1"}}}']);
    must0(["patch", "vm", "by-hand", "--type=json", "-p", '[{"op":"add","path":"/metadata/labels/b","value":"2"}]']);
    must0(["label", "vm", "by-hand", "c=3"]);
    must0(["create", "configmap", "by-hand", "--from-literal=k=v"]);
    must0(["patch", "configmap", "by-hand", "--type=strategic", "-p", '{"data":{"l":"w"}}']);
    const labels = must0(["get", "vm", "by-hand", "-o", "jsonpath={.metadata.labels}"]);
    must(labels.includes('"a":"1"') && labels.includes('"b":"2"') && labels.includes('"c":"3"'), labels);
    must(must0(["get", "configmap", "by-hand", "-o", "jsonpath={.data}"]).includes('"l":"w"'), "strategic patch lost");
    must0(["delete", "configmap", "by-hand"]);
  });
  await report.check("kubectl describe shows conditions and events", () => {
    const text = must0(["describe", "vm", "by-hand"]);
    must(/Conditions:/.test(text) && /Events:/.test(text), text.slice(-500));
  });
  await report.check("kubectl explain, api-resources and get of built-in kinds", () => {
    must(must0(["explain", "vm.spec.powerState"]).includes("powerState"), "no explanation");
    must(must0(["api-resources"]).includes("virtualmachines"), "not listed");
    const deployments = must0(["get", "deployments", "-o", "name"]);
    must(deployments.includes("virtrigaud-provider-default-vsphere-lab"), deployments);
  });
  await report.check("a manifest with a mistake gets the field's own error", () => {
    const { status, stderr } = kubectl(
      ["apply", "-f", "-"],
      machine.replace("name: by-hand", "name: mistaken").replace('"On"', '"Up"'),
    );
    must(status === 1, `exit code ${status}`);
    must(
      /spec\.powerState: Unsupported value: "Up": supported values: "On", "Off", "OffGraceful"/.test(stderr),
      stderr,
    );
    return stderr.trim().split("\n").at(-1) ?? "";
  });
  await report.check("kubectl get -w saw the machine come", () =>
    eventually(() => must(/virtualmachine\.infra\.virtrigaud\.io\/by-hand/.test(watched), "not seen")),
  );
  await report.check("kubectl delete waits for the finalizer and the machine is gone", () => {
    must0(["delete", "vm", "by-hand", "--timeout=60s"]);
    must(kubectl(["get", "vm", "by-hand"]).stderr.includes("NotFound"), "still there");
  });
  await report.check("kubectl delete --cascade in all three forms", () => {
    for (const cascade of ["background", "foreground", "orphan"]) {
      const [owner, owned] = [`${cascade}-owner`, `${cascade}-owned`];
      must0(["create", "configmap", owner]);
      const uid = must0(["get", "configmap", owner, "-o", "jsonpath={.metadata.uid}"]);
      const reference = { apiVersion: "v1", kind: "ConfigMap", name: owner, uid, blockOwnerDeletion: true };
      const metadata = { name: owned, namespace: "default", ownerReferences: [reference] };
      must0(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata }));
      must0(["delete", "configmap", owner, `--cascade=${cascade}`, "--timeout=30s"]);
      must(kubectl(["get", "configmap", owner]).stderr.includes("NotFound"), `${owner} is still there`);
      if (cascade === "orphan") {
        const left = must0(["get", "configmap", owned, "-o", "jsonpath={.metadata.ownerReferences}"]);
        must(left === "", `${owned} still names its owner: ${left}`);
        must0(["delete", "configmap", owned]);
      } else if (cascade === "foreground") {
        must(kubectl(["get", "configmap", owned]).stderr.includes("NotFound"), `${owned} outlived its owner`);
      } else {
        must0(["wait", `configmap/${owned}`, "--for=delete", "--timeout=30s"]);
      }
    }
  });
  watch.kill("SIGTERM");
}
