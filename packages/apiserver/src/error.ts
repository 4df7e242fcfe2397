import { CodedError } from "@almanac/core";

/**
 * `invalid_options`: an option of `createApiServer` cannot be used. `listen_failed`: the address is taken or not allowed.
 * `state_locked`: another process uses the state folder. `state_corrupt`: the state folder holds damaged records.
 */
export type ApiServerErrorCode = "invalid_options" | "listen_failed" | "state_locked" | "state_corrupt";

/** Errors of the server itself. Errors of requests travel as Status objects. */
export class ApiServerError extends CodedError<ApiServerErrorCode> {}
