import { isKubeError } from "@almanac/kube";
import type { ResourceClient } from "@almanac/kube";
import type { VirtualMachine } from "../api/virtual-machine.ts";
import { ManagerError } from "../error.ts";
import type { Secret } from "../resources.ts";

/** What the guest is told at its first start. May hold passwords: never logged, never kept. */
export interface UserData {
  readonly text: string;
  readonly type: "cloud-init" | "ignition";
  readonly metaData: string;
}

interface Source {
  readonly inline?: string;
  readonly secretRef?: { readonly name: string };
}

/** Keys of a Secret that are looked at, the first one present counts; a Secret with one key only needs none of these names. */
const keys = {
  "cloud-init": ["user-data", "userdata", "userData", "cloud-config"],
  ignition: ["ignition", "config.ign", "user-data", "userdata"],
  "meta-data": ["meta-data", "metadata", "metaData"],
} as const;

/**
 * Reads `spec.userData` and `spec.metaData`, Secrets included; absent ones are empty.
 *
 * @throws ManagerError `dependency_not_found` for a missing Secret, `invalid_spec` for one without a usable key.
 */
export async function readUserData(
  vm: VirtualMachine,
  secrets: ResourceClient<Secret>,
  signal: AbortSignal,
): Promise<UserData> {
  const { userData, metaData } = vm.spec;
  const type = userData?.cloudInit === undefined && userData?.ignition !== undefined ? "ignition" : "cloud-init";
  const read = (source: Source | undefined, kind: keyof typeof keys): Promise<string> =>
    readSource(source, { kind, namespace: vm.metadata.namespace, secrets, signal });
  return {
    text: await read(type === "ignition" ? userData?.ignition : userData?.cloudInit, type),
    type,
    metaData: await read(metaData?.cloudInit, "meta-data"),
  };
}

async function readSource(
  source: Source | undefined,
  options: {
    readonly kind: keyof typeof keys;
    readonly namespace: string;
    readonly secrets: ResourceClient<Secret>;
    readonly signal: AbortSignal;
  },
): Promise<string> {
  const { kind, namespace, secrets, signal } = options;
  if (source?.inline !== undefined) return source.inline;
  if (source?.secretRef === undefined) return "";
  const { name } = source.secretRef;
  let secret: Secret;
  try {
    secret = await secrets.get({ namespace, name }, { signal });
  } catch (error) {
    if (!isKubeError(error, "not_found")) throw error;
    throw new ManagerError("dependency_not_found", `Secret ${namespace}/${name} does not exist`);
  }
  const data = secret.data ?? {};
  const present = Object.keys(data);
  const key = keys[kind].find((candidate) => candidate in data) ?? (present.length === 1 ? present[0] : undefined);
  if (key === undefined) {
    throw new ManagerError(
      "invalid_spec",
      `Secret ${namespace}/${name} has none of the keys ${keys[kind].join(", ")}; add one with the ${kind} document`,
    );
  }
  return Buffer.from(data[key] as string, "base64").toString("utf8");
}
