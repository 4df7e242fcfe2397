import { spawnSync } from "node:child_process";
import { PeerError } from "./errors.ts";

const minGo: readonly [number, number] = [1, 26];

/**
 * Checks that what the builds need is on this machine and returns the toolchain's name for the build key, e.g. `go1.26.8`.
 * Throws {@link PeerError} `prerequisite` with the remedy. Costs a short process.
 */
export function checkPrerequisites(): string {
  const wanted = `Go ${minGo.join(".")} or newer`;
  // "local": an older Go must not fetch a newer one behind the user's back.
  const found = spawnSync("go", ["env", "GOVERSION"], {
    encoding: "utf8",
    env: { ...process.env, GOTOOLCHAIN: "local" },
  });
  if (found.error !== undefined || found.status !== 0) {
    throw new PeerError("prerequisite", `no working \`go\` on the PATH; install ${wanted}`);
  }
  const version = found.stdout.trim();
  const match = /^go(\d+)\.(\d+)/.exec(version);
  const [major, minor] = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
  if (major < minGo[0] || (major === minGo[0] && minor < minGo[1])) {
    throw new PeerError("prerequisite", `found ${version || "an unknown Go"}; install ${wanted}`);
  }
  // A development version's name holds spaces; the key is a folder name.
  return version.replace(/[^\w.+-]+/g, "_");
}
