// Runs before every npm script, under whatever Node.js the machine has (20 or newer), so it is plain JavaScript without
// dependencies. Installs the locked dependencies, the pinned Node.js among them, when they are missing or out of date.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const root = fileURLToPath(new URL("..", import.meta.url));
const stamp = join(root, "node_modules", ".almanac-installed");
const lock = join(root, "node_modules.lock");

const wanted = fingerprint();
if (installed() !== wanted) {
  await withLock(() => {
    if (installed() === wanted) return;
    const started = Date.now();
    console.error("Installing dependencies (first use or changed lock file) …");
    // Warnings about the machine's Node.js being older than some package wants do not apply: scripts run on the pinned one.
    const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd: root,
      stdio: ["ignore", "ignore", "pipe"],
      encoding: "utf8",
      shell: process.platform === "win32",
    });
    if (npm.status !== 0) {
      console.error(npm.stderr ?? String(npm.error));
      console.error("setup: npm ci failed; see its message above.");
      process.exit(1);
    }
    mkdirSync(join(root, "node_modules"), { recursive: true });
    writeFileSync(stamp, wanted);
    console.error(`Dependencies installed in ${Math.round((Date.now() - started) / 1000)} s.`);
  });
}

// The lock file lists the workspaces' own dependencies too, so it alone says what has to be there.
function fingerprint() {
  return createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
}

function installed() {
  return existsSync(stamp) ? readFileSync(stamp, "utf8") : undefined;
}

// Two scripts started together on a fresh clone must not install over one another.
async function withLock(install) {
  for (let waited = 0; ; waited++) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      const ageMs = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (ageMs > 15 * 60_000) rmSync(lock, { recursive: true, force: true });
      else if (waited === 0) console.error("Waiting for another installation to finish …");
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
  const release = () => rmSync(lock, { recursive: true, force: true });
  process.on("exit", release);
  try {
    install();
  } finally {
    release();
  }
}
