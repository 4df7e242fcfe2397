import { ManagerError } from "./error.ts";

const factors: Readonly<Record<string, number>> = {
  "": 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * Bytes of a Kubernetes quantity (`4Gi`, `1e9`, `512M`, 1073741824), not rounded. `field` names it in the error.
 *
 * @throws ManagerError `invalid_spec` unless it is a quantity greater than 0.
 */
export function parseBytes(quantity: number | string, field: string): number {
  const match = /^\+?(\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d+)|([KMGTPE]i|[numkMGTPE]))?$/.exec(String(quantity));
  const bytes =
    match === null ? Number.NaN : Number(match[1]) * 10 ** Number(match[2] ?? 0) * (factors[match[3] ?? ""] as number);
  if (!(bytes > 0) || !Number.isFinite(bytes)) {
    throw new ManagerError(
      "invalid_spec",
      `${field} is ${JSON.stringify(quantity)}; write a quantity greater than 0, such as 4Gi`,
    );
  }
  return bytes;
}

/** Mebibytes of a quantity, rounded up: a machine never gets less than was asked for. */
export function parseMebibytes(quantity: number | string, field: string): number {
  return Math.ceil(parseBytes(quantity, field) / 2 ** 20);
}

/** Gibibytes of a quantity, rounded up. */
export function parseGibibytes(quantity: number | string, field: string): number {
  return Math.ceil(parseBytes(quantity, field) / 2 ** 30);
}
