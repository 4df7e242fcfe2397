import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { makeFolder } from "@almanac/core";
import { CliError } from "../error.ts";

/** Where one run of `almanac up` keeps its files. */
export interface RunFolder extends Disposable {
  readonly root: string;
  readonly kubeconfig: string;
  /** The list for scripts. */
  readonly upJson: string;
  readonly endpoints: string;
  readonly tls: string;
  readonly pods: string;
  readonly logs: string;
}

export interface RunFolderOptions {
  /** The pods' volumes live here and stay: as long as the objects that they belong to. Default: in the run folder, emptied at the start. */
  readonly pods?: string;
}

/**
 * Makes the folder, readable by its owner only, and takes it for this process until disposed. What an earlier run left goes, its logs
 * apart. Throws a usage error naming the process that has the folder already, or why it cannot be made.
 */
export function createRunFolder(directory: string, options: RunFolderOptions = {}): RunFolder {
  const root = resolve(directory);
  makeRoot(root, directory);
  const pidFile = join(root, "pid");
  takeFolder(root, pidFile);
  const folder: RunFolder = {
    root,
    kubeconfig: join(root, "kubeconfig"),
    upJson: join(root, "up.json"),
    endpoints: join(root, "endpoints.json"),
    tls: join(root, "tls"),
    pods: options.pods ?? join(root, "pods"),
    logs: join(root, "logs"),
    [Symbol.dispose]() {
      // They name processes that are gone by now.
      for (const path of [folder.upJson, folder.endpoints, pidFile]) rmSync(path, { force: true });
    },
  };
  for (const path of [folder.upJson, folder.endpoints]) rmSync(path, { force: true });
  // Machines of an API that has forgotten them would belong to nobody.
  if (options.pods === undefined) rmSync(folder.pods, { recursive: true, force: true });
  for (const path of [folder.tls, folder.pods, folder.logs]) makeFolder(path);
  return folder;
}

function takeFolder(root: string, pidFile: string): void {
  const own = `${pidFile}.${process.pid}`;
  writeFileSync(own, `${process.pid}\n`);
  try {
    for (;;) {
      try {
        // Linking fails when the name is there, so of two that start together only one gets it.
        linkSync(own, pidFile);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        const holder = Number(readFileSync(pidFile, "utf8"));
        if (isAlive(holder)) {
          throw new CliError(
            "usage",
            `${root} is in use by process ${holder}; stop that one, or give another folder with --dir`,
          );
        }
        rmSync(pidFile, { force: true });
      }
    }
  } finally {
    rmSync(own, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function makeRoot(root: string, asked: string): void {
  try {
    makeFolder(root);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError("usage", `--dir: cannot make a folder at ${asked} (${code}); give one that can be written`, {
      cause: error,
    });
  }
}
