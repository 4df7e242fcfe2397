import type { MethodOf, ProviderFunction, RequestOf, ResponseInit, ServiceName } from "./contract.ts";
import type { DocumentsOf } from "./documents.ts";

/** What a handler learns about its call besides the request. */
export interface ProviderCall<F extends ProviderFunction = ProviderFunction> {
  /** Under its native name, whichever service was called. */
  readonly method: MethodOf<F>;
  /** Under which name the peer called: a foreign manager uses `compatible`. */
  readonly service: ServiceName;
  /** The JSON fields of the request, parsed and checked. */
  readonly documents: DocumentsOf<MethodOf<F>>;
  /** Aborts when the peer cancelled, its deadline passed or the server was forced to stop. */
  readonly signal: AbortSignal;
  /** When the peer gives up; undefined: never. */
  readonly deadline: Date | undefined;
  /** Address and port of the peer. */
  readonly peer: string;
}

/**
 * A hypervisor behind the contract: one function per RPC. It resolves with the response, its fields optional, or rejects with a
 * ProviderError; anything else it throws reaches the peer as INTERNAL without its text. Requests arrive checked: ids are not empty, JSON
 * is well-formed. A method that is not offered throws UNIMPLEMENTED.
 */
export type ProviderHandlers = {
  readonly [F in ProviderFunction]: (request: RequestOf<F>, call: ProviderCall<F>) => Promise<ResponseInit<F>>;
};
