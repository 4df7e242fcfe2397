import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Scenario } from "../main.ts";
import { eventually, must } from "../lib/report.ts";
import type { Report } from "../lib/report.ts";
import { spawnUp, untilUp } from "../lib/up.ts";
import type { UpJson } from "../lib/up.ts";
import { peerPath } from "../peers/peers.ts";

const entryPoint = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

/** What people get wrong, and what they are told. */
export const badInput: Scenario = {
  title: "bad input: one clear line, nothing hangs, nothing else suffers",
  async run(report, folder) {
    await usageChecks(report, folder);
    await using up = spawnUp(folder, ["--no-workload"]);
    const info = await untilUp(up);
    await providerChecks(report, info, folder);
    await httpChecks(report, info);
  },
};

async function usageChecks(report: Report, folder: string): Promise<void> {
  const broken = join(folder, "broken.yaml");
  writeFileSync(broken, "clusters: [");
  const webConfig = join(folder, "web.yml");
  writeFileSync(webConfig, "basic_auth_users: { scraper: open-sesame }");
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const port = String((taken.address() as AddressInfo).port);
  const cases: readonly [string, readonly string[], RegExp][] = [
    ["an unknown flag", ["up", "--nope"], /unknown option '--nope'/],
    ["an unknown command", ["nope"], /unknown command 'nope'/],
    [
      "a missing kubeconfig",
      ["manager", "--kubeconfig", "/nonexistent/config", "--tls-insecure"],
      /\/nonexistent\/config/,
    ],
    ["a kubeconfig that is no YAML", ["manager", "--kubeconfig", broken, "--tls-insecure"], /broken\.yaml/],
    [
      "TLS files that are missing",
      ["manager", "--kubeconfig", broken],
      /--tls-cert-file.*--tls-key-file.*--tls-ca-file/,
    ],
    [
      "an address that is none",
      ["manager", "--kubeconfig", broken, "--tls-insecure", "--metrics-bind-address", "x"],
      /--metrics-bind-address: "x"/,
    ],
    [
      "an endpoint that is none",
      ["manager", "--provider-endpoint", "lab", "--tls-insecure"],
      /--provider-endpoint: "lab"/,
    ],
    [
      "a web configuration with a password in plain text",
      ["provider", "mock", "--tls-insecure", "--host", "127.0.0.1", "--web.config.file", webConfig],
      /web\.yml: basic_auth_users\.scraper has no bcrypt hash/,
    ],
    ["a port that is no number", ["provider", "mock", "--port", "many"], /--port.*many/],
    ["a port in use", ["up", "--api-port", port, "--dir", join(folder, "taken")], new RegExp(`port ${port}`)],
    [
      "a provider's port in use",
      ["provider", "mock", "--host", "127.0.0.1", "--port", port, "--health-port", "0", "--tls-insecure"],
      new RegExp(port),
    ],
    [
      "a certificate that is not there",
      [
        "provider",
        "mock",
        "--health-port",
        "0",
        "--port",
        "0",
        "--tls-cert-file",
        "/nonexistent.crt",
        "--tls-key-file",
        "/k",
        "--tls-ca-file",
        "/c",
      ],
      /\/nonexistent\.crt/,
    ],
  ];
  for (const [title, args, expected] of cases) {
    await report.check(`${title}: exit code 2 and one line`, () => {
      const run = spawnSync(process.execPath, ["-C", "source", entryPoint, ...args], {
        encoding: "utf8",
        timeout: 30_000,
        env: { PATH: process.env["PATH"] ?? "", HOME: folder },
      });
      const said = run.stderr.trim();
      must(run.status === 2, `exit code ${run.status}: ${said}`);
      must(expected.test(said), said);
      must(said.split("\n").length <= 2, `more than one line: ${said}`);
      return said;
    });
  }
  taken.close();
}

async function providerChecks(report: Report, info: UpJson, folder: string): Promise<void> {
  const kubectl = (args: readonly string[]): string =>
    spawnSync(peerPath("kubectl"), ["--kubeconfig", info.kubeconfig, ...args], {
      encoding: "utf8",
      timeout: 30_000,
      env: { PATH: process.env["PATH"] ?? "", HOME: folder },
    }).stdout;
  await report.check("a Provider that cannot be reached: condition, Event and error counter; others are Ready", () =>
    eventually(async () => {
      const ready = kubectl([
        "get",
        "provider",
        "libvirt-edge",
        "-o",
        'jsonpath={.status.conditions[?(@.type=="Ready")].status}',
      ]);
      must(ready === "False", `Ready is ${ready || "(none)"}`);
      const events = kubectl(["get", "events", "--field-selector", "involvedObject.name=libvirt-edge", "-o", "name"]);
      must(events.trim() !== "", "no Event");
      const page = await (await fetch(info.targets[0]?.metrics ?? "")).text();
      must(/virtrigaud_errors_total\{[^}]*reason="ConnectionFailed"[^}]*\} [1-9]/.test(page), "no error counted");
      const healthy = kubectl(["get", "provider", "vsphere-lab", "-o", "jsonpath={.status.healthy}"]);
      must(healthy === "true", `vsphere-lab is healthy=${healthy}`);
    }, 60_000),
  );
  await report.check("a Provider of a type that nobody built says so", () =>
    eventually(() => {
      const message = kubectl([
        "get",
        "provider",
        "proxmox-lab",
        "-o",
        'jsonpath={.status.conditions[?(@.type=="Ready")].message}',
      ]);
      must(/proxmox/.test(message), `message is "${message}"`);
      return message;
    }, 30_000),
  );
}

async function httpChecks(report: Report, info: UpJson): Promise<void> {
  for (const { name, metrics } of info.targets) {
    const { hostname, port } = new URL(metrics);
    await report.check(`${name}: an oversized header is refused and the endpoint goes on`, async () => {
      const answer = await raw(
        hostname,
        Number(port),
        `GET /metrics HTTP/1.1\r\nHost: x\r\nX-Big: ${"a".repeat(100_000)}\r\n\r\n`,
      );
      must(/^HTTP\/1\.1 4\d\d/.test(answer) || answer === "", answer.slice(0, 100));
      must((await fetch(metrics)).ok, "no longer answers");
    });
    await report.check(`${name}: a body is refused`, async () => {
      const response = await fetch(metrics, { method: "POST", body: "x".repeat(1_000_000) }).catch(() => undefined);
      must(response === undefined || (response.status >= 400 && response.status < 500), `status ${response?.status}`);
      must((await fetch(metrics)).ok, "no longer answers");
    });
  }
}

/** Sends bytes and gives what comes back until the other side closes, or for 5 s. */
function raw(host: string, port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ host, port }, () => socket.write(bytes));
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(end, 5_000);
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.on("error", end);
    socket.on("close", end);
  });
}
