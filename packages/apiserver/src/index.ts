export { createApiServer } from "./server.ts";
export { ApiServerError } from "./error.ts";
export type { ApiServerErrorCode } from "./error.ts";
export type { ApiServer, ApiServerOptions, HistoryLimits, RequestRecord, StoreAccess, TlsMaterial } from "./options.ts";
