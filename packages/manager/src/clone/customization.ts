import type { CustomizeJson } from "@almanac/provider";
import { isKubeError } from "@almanac/kube";
import type { ResourceClient } from "@almanac/kube";
import type { VMClone } from "../api/vm-clone.ts";
import { ManagerError } from "../error.ts";
import type { Secret } from "../resources.ts";

/** Keys of a Secret with a document for the guest; a Secret with one key only needs none of these names. */
const documentKeys = ["user-data", "userdata", "userData", "cloud-config", "ignition", "config.ign"];

/**
 * The customisation of a clone with its Secrets read, since a provider cannot. It may hold passwords: never logged, never kept.
 *
 * @throws ManagerError `dependency_not_found` for a missing Secret, `invalid_spec` for one without the key.
 */
export async function readCustomization(
  clone: VMClone,
  secrets: ResourceClient<Secret>,
  signal: AbortSignal,
): Promise<CustomizeJson> {
  const { customization = {} } = clone.spec;
  const { certificates, sysprep, userData, ...rest } = customization;
  const { namespace } = clone.metadata;

  async function read(name: string, keys: readonly string[]): Promise<string> {
    let secret: Secret;
    try {
      secret = await secrets.get({ namespace, name }, { signal });
    } catch (error) {
      if (!isKubeError(error, "not_found")) throw error;
      throw new ManagerError("dependency_not_found", `Secret ${namespace}/${name} does not exist`);
    }
    const data = secret.data ?? {};
    const present = Object.keys(data);
    const key = keys.find((candidate) => candidate in data) ?? (present.length === 1 ? present[0] : undefined);
    if (key !== undefined) return Buffer.from(data[key] as string, "base64").toString("utf8");
    throw new ManagerError("invalid_spec", `Secret ${namespace}/${name} has none of the keys ${keys.join(", ")}`);
  }

  interface Source {
    readonly inline?: string;
    readonly secretRef?: { readonly name: string };
  }
  const document = async (source: Source | undefined): Promise<object | undefined> =>
    source?.secretRef === undefined
      ? source
      : { inline: source.inline ?? (await read(source.secretRef.name, documentKeys)) };

  interface Password {
    readonly value?: string;
    readonly secretKey?: string;
    readonly secretRef?: { readonly name: string };
  }
  const password = async (source: Password): Promise<object> =>
    source.secretRef === undefined || source.value !== undefined
      ? source
      : { value: await read(source.secretRef.name, [source.secretKey ?? "password"]) };

  const cloudInit = await document(userData?.cloudInit);
  const ignition = await document(userData?.ignition);
  return {
    ...rest,
    ...(certificates === undefined
      ? {}
      : {
          certificates: await Promise.all(
            certificates.map(async ({ secretRef, secretKey = "tls.crt", ...certificate }) =>
              secretRef === undefined || certificate.data !== undefined
                ? certificate
                : { ...certificate, data: await read(secretRef.name, [secretKey]) },
            ),
          ),
        }),
    ...(sysprep === undefined
      ? {}
      : {
          sysprep: {
            ...sysprep,
            ...(sysprep.adminPassword === undefined ? {} : { adminPassword: await password(sysprep.adminPassword) }),
            ...(sysprep.joinDomain === undefined
              ? {}
              : { joinDomain: { ...sysprep.joinDomain, password: await password(sysprep.joinDomain.password) } }),
          },
        }),
    ...(userData === undefined
      ? {}
      : {
          userData: {
            ...(cloudInit === undefined ? {} : { cloudInit }),
            ...(ignition === undefined ? {} : { ignition }),
          },
        }),
  };
}
