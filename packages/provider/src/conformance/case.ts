import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { sleep } from "@almanac/core";
import type { ProviderClient } from "../client.ts";
import { ownerTag, type ResponseOf } from "../contract.ts";
import { encodeCreateDocuments, type CreateDocuments } from "../documents.ts";
import { ProviderError, type ProviderErrorCode } from "../error.ts";
import { withRetries } from "./retry.ts";

/** What every case works with. */
export interface CaseContext {
  /** The service under test; calls that are idempotent by contract are repeated when it is UNAVAILABLE. */
  readonly client: ProviderClient;
  /** The other service name on the same server; skips the case when the peer does not serve it. */
  readonly other: () => Promise<ProviderClient>;
  readonly address: string;
  readonly capabilities: ResponseOf<"getCapabilities">;
  readonly signal: AbortSignal;
  /** True when the service under test is VirtRigaud's. */
  readonly compatible: boolean;
  /** Health and reflection of the same server. */
  readonly standard: StandardProbes;
  /** Suspends a VM behind the provider's back; undefined when the caller has no way to. */
  readonly suspend: ((vmId: string) => Promise<void>) | undefined;
  /** A name nobody else uses. */
  readonly name: () => string;
  /** Creates a VM, waits until it is there and deletes it after the case. */
  readonly createVm: (wishes?: VmWishes) => Promise<CreatedVm>;
  /** Deletes this VM after the case, too. */
  readonly cleanUp: (vmId: string) => void;
  /** Waits for the task of a reply, if it has one, and fails when the task failed. */
  readonly settle: <T extends { readonly task?: { readonly id: string } | undefined }>(reply: Promise<T>) => Promise<T>;
  /** Asks again and again until the answer satisfies `isGood`. */
  readonly until: <T>(what: string, ask: () => Promise<T>, isGood: (answer: T) => boolean) => Promise<T>;
}

/** One behaviour of the contract. */
export interface ConformanceCase {
  readonly name: string;
  run(context: CaseContext): Promise<void>;
}

interface VmWishes {
  readonly name?: string;
  /** undefined: an owner of its own; null: none. */
  readonly owner?: string | null;
  readonly documents?: Partial<CreateDocuments>;
  readonly tags?: readonly string[];
}

interface CreatedVm {
  readonly id: string;
  readonly name: string;
  readonly owner: string | null;
}

/** Questions to the standard services. */
export interface StandardProbes {
  health(service: string): Promise<string>;
  /** Full names of the services reflection lists. */
  reflectedServices(): Promise<readonly string[]>;
}

/** Thrown by a case that cannot say anything about this provider. */
export class Skip extends Error {}

export function skipUnless(condition: boolean, reason: string): void {
  if (!condition) throw new Skip(reason);
}

/** The error of a call that has to fail with `code`, its message mentioning `mention`. */
export async function expectError(
  call: Promise<unknown>,
  code: ProviderErrorCode,
  mention: string | RegExp = "",
): Promise<ProviderError> {
  const error = await call.then(
    (reply) => assert.fail(`expected ${code}, but the call succeeded with ${shown(reply)}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ProviderError, `expected ${code}, got ${String(error)}`);
  assert.equal(error.code, code, `expected ${code}, got ${error.message}`);
  const found = typeof mention === "string" ? error.details.includes(mention) : mention.test(error.details);
  assert.ok(found, `expected a message that names ${String(mention)}, got ${JSON.stringify(error.details)}`);
  return error;
}

function shown(reply: unknown): string {
  return JSON.stringify(reply, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
}

interface ContextOptions extends Omit<CaseContext, "name" | "createVm" | "cleanUp" | "settle" | "until" | "suspend"> {
  readonly suspend?: CaseContext["suspend"];
  readonly prefix: string;
}

/** A context for one case, and what removes the VMs the case has made. */
export function createCaseContext(options: ContextOptions): {
  readonly context: CaseContext;
  /** Ids of the VMs made so far. */
  readonly made: ReadonlySet<string>;
  cleanUp(): Promise<void>;
} {
  const { client, signal, prefix } = options;
  const made = new Set<string>();

  const until: CaseContext["until"] = async (what, ask, isGood) => {
    for (let waitMs = 5; ; waitMs = Math.min(waitMs * 1.5, 250)) {
      const answer = await ask();
      if (isGood(answer)) return answer;
      await sleep(waitMs, { signal }).catch((cause: unknown) => {
        throw new Error(`still waiting for ${what}; last answer ${shown(answer)}`, { cause });
      });
    }
  };

  const settle: CaseContext["settle"] = async (reply) => {
    const answer = await reply;
    const { task } = answer;
    if (task !== undefined && task.id !== "") {
      const end = await until(
        `task ${task.id}`,
        () => client.taskStatus({ task }, { signal }),
        ({ done }) => done,
      );
      assert.equal(end.error, "", `task ${task.id} failed`);
    }
    return answer;
  };

  const name = (): string => `${prefix}-${randomUUID().slice(0, 13)}`;

  const context: CaseContext = {
    suspend: undefined,
    ...options,
    name,
    settle,
    until,
    cleanUp: (vmId) => void made.add(vmId),
    async createVm(wishes = {}) {
      const vmName = wishes.name ?? name();
      const owner = wishes.owner === undefined ? randomUUID() : wishes.owner;
      const { id } = await settle(
        client
          .createVM(
            {
              name: vmName,
              ...encodeCreateDocuments(wishes.documents ?? { class: { CPU: 1, MemoryMiB: 512 } }),
              tags: [...(owner === null ? [] : [`${ownerTag}=${owner}`]), ...(wishes.tags ?? [])],
            },
            { signal },
          )
          .then((reply) => {
            made.add(reply.id);
            return reply;
          }),
      );
      return { id, name: vmName, owner };
    },
  };
  return {
    context,
    made,
    async cleanUp() {
      const remove = (id: string): Promise<boolean> =>
        // A VM in the middle of something refuses with ABORTED for as long as that lasts.
        until(
          `the deletion of ${id}`,
          () => settle(client.deleteVM({ id }, { signal })).then(() => true, isOver),
          (gone) => gone,
        );
      const failed: unknown[] = [];
      for (const id of made) {
        // Whatever went wrong, a task that failed included: nothing is to be learned from a deletion here, it only has to happen.
        await withRetries(() => remove(id), { isPassing: () => !signal.aborted, signal }).catch((thrown: unknown) =>
          failed.push(thrown),
        );
      }
      if (failed.length > 0) throw failed[0];
    },
  };
}

function isOver(thrown: unknown): boolean {
  if (thrown instanceof ProviderError && thrown.code === "NOT_FOUND") return true;
  if (thrown instanceof ProviderError && thrown.code === "ABORTED") return false;
  throw thrown;
}
