import { CodedError } from "@almanac/core";

export type ControllerErrorCode =
  /** An option or an argument does not make sense. */
  | "invalid_options"
  /** A reconcile ran longer than its timeout. */
  | "reconcile_timeout"
  /** The controller stops; what runs is asked to end. */
  | "stopping"
  /** Reconciles did not end when asked to. */
  | "drain_timeout";

export class ControllerError extends CodedError<ControllerErrorCode> {}
