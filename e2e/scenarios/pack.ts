import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineCatalog, familiesOf, oneOf, stack } from "@almanac/catalog";
import { parsePage } from "@almanac/exposition";
import { buildPackages, packPackages, publicPackages } from "../../scripts/packages.ts";
import { must } from "../lib/report.ts";
import type { Scenario } from "../main.ts";

const exampleFile = fileURLToPath(new URL("../../examples/instrument-a-service.ts", import.meta.url));

// The command is run, not imported.
const entryPoints = publicPackages()
  .filter(({ name }) => name !== "@almanac/cli")
  .flatMap(({ name, manifest }) => Object.keys(manifest.exports).map((subpath) => name + subpath.slice(1)));

/** The packages as their users get them: from tarballs, in an empty project, compiled strictly, on the oldest and the pinned Node.js. */
export const pack: Scenario = {
  title: "the packages in somebody else's project",
  async run(report, folder) {
    const project = join(folder, "project");
    const runtime = join(folder, "node-22");
    const node22 = join(runtime, "node_modules/.bin/node");
    await report.check("they build, pack and install into an empty project", async () => {
      const tarballs = await packPackages(await buildPackages(), join(folder, "tarballs"));
      writeProject(project);
      await npmInstall(project, [...tarballs.map(({ file }) => file), "typescript@6", "@types/node@22"]);
      return `${tarballs.length} tarballs`;
    });
    await report.check("Node.js 22 is at hand", async () => {
      writeManifest(runtime);
      await npmInstall(runtime, ["node@22"]);
      return (await output(node22, ["--version"], runtime)).trim();
    });
    await report.check("their types hold under strict, declarations of libraries included", async () => {
      await output(process.execPath, ["node_modules/typescript/bin/tsc", "--project", "."], project);
    });

    for (const [name, node] of [
      ["Node.js 22", node22],
      ["the pinned Node.js", process.execPath],
    ] as const) {
      await report.check(`the README's example runs on ${name}`, async () => {
        const page = await output(node, ["out/example.js"], project);
        must(page.includes('shop_orders_total{outcome="paid"} 1\n'), `the order is not on its page:\n${page}`);
      });
      for (const [kind, file] of [
        ["as an ES module", "service.js"],
        ["from CommonJS", "service-in-commonjs.cjs"],
      ] as const) {
        await report.check(`its service, ${kind} on ${name}, serves the catalog and ends with 0 on SIGTERM`, () =>
          serveAndStop(node, join(project, "out", file)),
        );
      }
      await report.check(`every entry point can be imported and required on ${name}`, async () => {
        await output(node, ["out/everything.js"], project);
        await output(node, ["everything.cjs"], project);
      });
      await report.check(`the installed command says what it can do on ${name}`, async () => {
        const almanac = join(project, "node_modules/.bin/almanac");
        const help = await output(node, [almanac, "--help"], project);
        must(/\bup\b[\s\S]*\bcatalog\b/.test(help), `help lists no commands:\n${help}`);
        const families = await output(node, [almanac, "catalog", "--owner", "gateway", "--json"], project);
        must(families.includes('"liqo_peer_is_connected"'), `the gateway's catalog lacks its families:\n${families}`);
      });
    }
    await report.check("the installed command brings up the demo", async () => {
      const almanac = join(project, "node_modules/.bin/almanac");
      const args = ["up", "--dir", join(folder, "run"), "--until-ready", "--ready-timeout", "120"];
      const said = await output(process.execPath, [almanac, ...args], project, 180_000);
      return /Ready after .*/.exec(said)?.[0] ?? "";
    });
  },
};

function writeManifest(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "somebody-elses", private: true, type: "module" }),
  );
}

/** A project of the strictest kind: every check on, nothing skipped, everything that the packages export in use. */
function writeProject(folder: string): void {
  writeManifest(folder);
  const example = readFileSync(exampleFile, "utf8");
  const [instrumented = ""] = example.split("console.log");
  const files: Readonly<Record<string, string>> = {
    "example.ts": example,
    "service.ts": `${instrumented}console.log(telemetry.metricsUrl);
await new Promise((stop) => process.once("SIGTERM", stop));
await telemetry.shutdown();
`,
    "service-in-commonjs.cts": `import almanacCatalog = require("@almanac/catalog");
import almanacTelemetry = require("@almanac/telemetry");

const shop = almanacCatalog.defineCatalog("shop", {
  shop_orders_total: {
    type: "counter",
    help: "Orders that were handled.",
    movesWhen: "an order ended",
    labels: { outcome: almanacCatalog.oneOf("paid", "refused") },
    owners: ["shop"],
  },
});

async function main(): Promise<void> {
  const options = { serviceName: "shop", owner: "shop", catalogs: [shop], metrics: { port: 0 } };
  const telemetry = await almanacTelemetry.startTelemetry(options);
  telemetry.instruments(shop).shop_orders_total.add(1, { outcome: "paid" });
  console.log(telemetry.metricsUrl);
  await new Promise((stop) => process.once("SIGTERM", stop));
  await telemetry.shutdown();
}

void main();
`,
    "misspelt.ts": `${instrumented}// @ts-expect-error a label value that the catalog does not know
shop_orders_total.add(1, { outcome: "payed" });
`,
    "tsconfig.json": JSON.stringify({
      compilerOptions: { target: "es2023", module: "nodenext", strict: true, outDir: "out", types: ["node"] },
    }),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const everything = entryPoints.map((name) => `export * as ${name.replace(/\W/g, "_")} from "${name}";\n`);
  writeFileSync(join(folder, "everything.ts"), everything.join(""));
  const required = entryPoints.map((name) => `if (Object.keys(require("${name}")).length === 0) throw "${name}";\n`);
  writeFileSync(join(folder, "everything.cjs"), required.join(""));
}

async function npmInstall(folder: string, what: readonly string[]): Promise<void> {
  await output("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...what], folder, 240_000);
}

/** Runs a program to its end and returns its stdout. Throws with all it said unless it ends with 0 in time. */
async function output(program: string, args: readonly string[], cwd: string, timeoutMs = 90_000): Promise<string> {
  const child = spawn(program, args, {
    cwd,
    env: cleanEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const how = await new Promise<string | number>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? String(signal)));
  });
  must(how === 0, `${program} ${args.join(" ")} ended with ${how}:\n${(stdout + stderr).slice(-4000)}`);
  return stdout;
}

/** Starts a service, compares its page with the catalog, asks it to stop and expects exit code 0. */
async function serveAndStop(node: string, file: string): Promise<string> {
  const child = spawn(node, [file], { env: cleanEnvironment(), stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 });
  const exited = new Promise<string | number>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? String(signal)));
  });
  try {
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const address = new Promise<string>((resolve) => {
      child.stdout.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        const found = /^http:\/\/\S+(?=\n)/m.exec(said)?.[0];
        if (found !== undefined) resolve(found);
      });
    });
    const url = await Promise.race([address, exited.then((how) => Promise.reject(new Error(`${how}:\n${said}`)))]);
    const families = await servedFamilies(url);
    child.kill("SIGTERM");
    const how = await exited;
    must(how === 0, `after SIGTERM it ended with ${how}:\n${said}`);
    return `${families} families`;
  } finally {
    child.kill("SIGKILL");
  }
}

/** How many families a shop's page has. Throws where one is not the catalog's, in name or type. */
async function servedFamilies(url: string): Promise<number> {
  const shop = defineCatalog("shop", {
    shop_orders_total: {
      type: "counter",
      help: "Orders that were handled.",
      movesWhen: "an order ended",
      labels: { outcome: oneOf("paid", "refused") },
      owners: ["shop"],
    },
  });
  const response = await fetch(`${url}/metrics`, {
    headers: { accept: "text/plain;version=0.0.4" },
    signal: AbortSignal.timeout(10_000),
  });
  must(response.status === 200, `${url}/metrics answered ${response.status}`);
  const page = parsePage(await response.text(), "text");
  const expected = new Map(familiesOf([shop, stack], "shop").map(({ name, type }) => [name, type]));
  for (const { name, type } of page.values()) {
    if (name === "target_info") continue;
    must(
      expected.get(name) === type,
      `${name} is a ${type}, the catalog has ${expected.get(name) ?? "no such family"}`,
    );
  }
  const orders = page.get("shop_orders_total")?.samples.map(({ labels, value }) => [labels.get("outcome"), value]);
  must(JSON.stringify(orders) === '[["paid",1],["refused",0]]', `shop_orders_total is ${JSON.stringify(orders)}`);
  return page.size;
}

/** Without what npm and the test's own machine tell the programs they start. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(OTEL_|ALMANAC_|NODE_OPTIONS$|npm_(package|lifecycle|config_local_prefix))/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}
