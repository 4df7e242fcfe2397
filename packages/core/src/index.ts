export { CodedError, describeError } from "./error.ts";
export { makeFolder } from "./make-folder.ts";
export { silentLogger } from "./logger.ts";
export { sleep, systemClock } from "./clock.ts";
export { untilShutdown } from "./shutdown.ts";
export type { LogFields, Logger } from "./logger.ts";
export type { Clock, Timer } from "./clock.ts";
export type { ShutdownSignal } from "./shutdown.ts";
