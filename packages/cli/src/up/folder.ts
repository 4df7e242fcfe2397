import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

/** Where one run of `almanac up` keeps its files. */
export interface RunFolder {
  readonly root: string;
  readonly kubeconfig: string;
  /** The list for scripts. */
  readonly upJson: string;
  readonly endpoints: string;
  readonly tls: string;
  readonly pods: string;
  readonly logs: string;
}

/** Makes the folder, readable by its owner only, and empties what earlier runs left of processes that no longer exist. */
export function createRunFolder(directory: string): RunFolder {
  const root = resolve(directory);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const folder: RunFolder = {
    root,
    kubeconfig: join(root, "kubeconfig"),
    upJson: join(root, "up.json"),
    endpoints: join(root, "endpoints.json"),
    tls: join(root, "tls"),
    pods: join(root, "pods"),
    logs: join(root, "logs"),
  };
  rmSync(folder.upJson, { force: true });
  rmSync(folder.endpoints, { force: true });
  for (const path of [folder.tls, folder.pods, folder.logs]) mkdirSync(path, { recursive: true, mode: 0o700 });
  return folder;
}
