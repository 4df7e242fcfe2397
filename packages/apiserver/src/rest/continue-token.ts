import type { Json } from "../schema/index.ts";
import { posix } from "node:path";
import { show } from "../object.ts";
import { badRequest } from "../status.ts";

export interface ContinueToken {
  /** The revision of the list; -1 continues with whatever is current. */
  readonly revision: number;
  /** Key of the last object that was listed, below what the list is of: `/name`, or `/namespace/name` in a list of all namespaces. */
  readonly start: string;
}

/** The token of the next page, in the form of the real server's. */
export function encodeContinue({ revision, start }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start: `${start}\0` })).toString("base64url");
}

/** Throws a 400 for what this server did not make. */
export function decodeContinue(text: string): ContinueToken {
  let token: unknown;
  try {
    token = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    throw badRequest("invalid continue token: continue key is not valid: it is not JSON in base64");
  }
  const { v, rv, start } = (token ?? {}) as Readonly<Record<string, Json>>;
  if (v !== "meta.k8s.io/v1")
    throw badRequest(
      `invalid continue token: continue key is not valid: server does not recognize this encoded version ${show(v)}`,
    );
  if (typeof rv !== "number" || rv === 0)
    throw badRequest(
      "invalid continue token: continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
    );
  if (typeof start !== "string" || start === "")
    throw badRequest(
      "invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)",
    );
  const key = start.startsWith("/") ? start : `/${start}`;
  if (posix.normalize(key) !== key) throw badRequest(`invalid continue token: continue key is not valid: ${start}`);
  return { revision: rv, start: key.replace(/\0$/, "") };
}
