import { connect } from "node:net";
import type { ReconcileContext } from "@almanac/controller";
import type { Provider } from "../api/provider.ts";
import { ManagerError, classify } from "../error.ts";
import type { Classified } from "../error.ts";
import { ProviderError } from "@almanac/provider";
import type { ResponseOf } from "@almanac/provider";
import type { ProviderHandle } from "./pool.ts";

type CheckResult =
  | { readonly ok: true; readonly message: string; readonly capabilities: ResponseOf<"getCapabilities"> | undefined }
  | { readonly ok: false; readonly error: Classified; readonly thrown: unknown };

/**
 * Asks a provider whether it is well and what it can do, for at most `timeoutMs` each. Never rejects, except with the signal's reason
 * when the manager itself gives up.
 */
export async function checkProvider(
  handle: ProviderHandle,
  options: Pick<ReconcileContext<Provider>, "signal" | "lend"> & { readonly timeoutMs: number },
): Promise<CheckResult> {
  const { signal, lend, timeoutMs } = options;
  const call = { signal, lend, deadlineMs: timeoutMs, ticket: handle.uid };
  try {
    const verdict = await handle.call("validate", {}, call);
    if (!verdict.ok) throw new ManagerError("not_well", verdict.message || "the provider gave no reason");
    return { ok: true, message: verdict.message, capabilities: await capabilities(handle, call) };
  } catch (thrown) {
    signal.throwIfAborted();
    const error = classify(thrown);
    // What is behind the address may be another process by the next check; the library's own pause before it dials again is of no use.
    // An error that the provider has counted came over a connection that works.
    if (!error.counted && (error.reason === "ConnectionFailed" || error.reason === "TLSError")) handle.redial();
    return { ok: false, error, thrown };
  }
}

async function capabilities(
  handle: ProviderHandle,
  call: Parameters<ProviderHandle["call"]>[2],
): Promise<ResponseOf<"getCapabilities"> | undefined> {
  try {
    return await handle.call("getCapabilities", {}, call);
  } catch (thrown) {
    if (thrown instanceof ProviderError && thrown.code === "UNIMPLEMENTED") return undefined;
    throw thrown;
  }
}

/** Whether something accepts connections at `host:port`. Sends nothing and never rejects. */
export function accepts(
  address: string,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<boolean> {
  const match = /^\[?(.+?)\]?:(\d+)$/.exec(address);
  const port = Number(match?.[2]);
  // Addresses come from files and status fields: connect() throws for a port that is none.
  if (match?.[1] === undefined || port > 65_535 || options.signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ host: match[1] as string, port, timeout: options.timeoutMs });
    const settle = (answer: boolean): void => {
      options.signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve(answer);
    };
    const onAbort = (): void => settle(false);
    options.signal.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", () => settle(true));
    socket.once("timeout", () => settle(false));
    socket.once("error", () => settle(false));
  });
}
