import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Clock } from "@almanac/core";
import type { ComparePassword } from "./compare-password.ts";

export interface AccessRules {
  /** bcrypt hashes by user. */
  readonly users: ReadonlyMap<string, string>;
  /** SHA-256 of the tokens. */
  readonly tokens: readonly Buffer[];
  /** At most `burst` requests at once, and one per `intervalMs` in the long run. `undefined`: any number. */
  readonly rate: { readonly intervalMs: number; readonly burst: number } | undefined;
}

/** Why a request is not let in. */
export interface Refusal {
  readonly status: 401 | 429 | 503;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Access {
  /** `undefined` when the request may go on. */
  check(request: IncomingMessage): Promise<Refusal | undefined>;
}

/** Right and wrong answers kept, of each so many, because a comparison takes about a tenth of a second of CPU on purpose. */
const maxRemembered = 100;
/** Comparisons that may wait for one another; more are turned away, so that guessing cannot fill the CPU and the memory. */
const maxWaiting = 16;
/** Of no password. Compared with where a user is not known, so that the time does not tell. */
const nobody = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

export function createAccess(rules: AccessRules, compare: ComparePassword, clock: Clock): Access {
  const { users, tokens, rate } = rules;
  // Apart, so that no guessing makes a right one forgotten.
  const right = new Set<string>();
  const others = new Map<string, Promise<boolean>>();
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  let allowance = rate?.burst ?? 0;
  let countedAt = clock.monotonic();

  function isRateExceeded(): boolean {
    if (rate === undefined) return false;
    const now = clock.monotonic();
    allowance = Math.min(rate.burst, allowance + (now - countedAt) / rate.intervalMs);
    countedAt = now;
    if (allowance < 1) return true;
    allowance--;
    return false;
  }

  /** One comparison after the other. `undefined` when too many wait. */
  function isPassword(user: string, password: string): Promise<boolean> | boolean | undefined {
    const known = users.get(user);
    const hash = known ?? nobody;
    const key = digest(JSON.stringify([user, hash, password])).toString("base64");
    if (right.has(key)) return true;
    const before = others.get(key);
    if (before !== undefined) return before;
    if (waiting >= maxWaiting) return undefined;
    waiting++;
    const answer = last
      .then(() => compare(password, hash))
      .then((same) => same && known !== undefined)
      .finally(() => waiting--);
    last = answer.catch(() => undefined);
    keepAtMost(others, maxRemembered - 1);
    others.set(key, answer);
    answer.then(
      (same) => {
        if (!same) return;
        others.delete(key);
        keepAtMost(right, maxRemembered - 1);
        right.add(key);
      },
      // What could not be compared may be asked again.
      () => others.delete(key),
    );
    return answer;
  }

  return {
    async check(request) {
      if (isRateExceeded()) {
        const seconds = String(Math.ceil((rate?.intervalMs ?? 0) / 1000));
        return { status: 429, reason: "too many requests", headers: { "retry-after": seconds } };
      }
      if (users.size === 0 && tokens.length === 0) return undefined;
      const { scheme, credentials } = parseAuthorization(request.headers.authorization);
      if (scheme === "bearer" && isToken(tokens, credentials)) return undefined;
      if (scheme === "basic" && users.size > 0) {
        const text = Buffer.from(credentials, "base64").toString();
        const colon = text.indexOf(":");
        const same = colon < 0 ? false : isPassword(text.slice(0, colon), text.slice(colon + 1));
        if (same === undefined) {
          return { status: 503, reason: "too many log-ins at once", headers: { "retry-after": "1" } };
        }
        if (await same) return undefined;
      }
      const schemes = [...(users.size > 0 ? ['Basic realm="metrics"'] : []), ...(tokens.length > 0 ? ["Bearer"] : [])];
      return { status: 401, reason: "unauthorized", headers: { "www-authenticate": schemes.join(", ") } };
    },
  };
}

/** Forgets the oldest. */
function keepAtMost(kept: Set<string> | Map<string, unknown>, most: number): void {
  for (const oldest of kept.keys()) {
    if (kept.size <= most) return;
    kept.delete(oldest);
  }
}

function parseAuthorization(header: string | undefined): { readonly scheme: string; readonly credentials: string } {
  const [scheme = "", credentials = ""] = (header ?? "").trim().split(/ +/, 2);
  return { scheme: scheme.toLowerCase(), credentials };
}

/** Looks at every token, and at digests, so that the time tells nothing about any of them. */
function isToken(tokens: readonly Buffer[], given: string): boolean {
  const candidate = digest(given);
  let found = false;
  for (const token of tokens) found = timingSafeEqual(token, candidate) || found;
  return found;
}

export function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
