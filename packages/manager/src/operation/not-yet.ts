/** Thrown when something has to happen first that a watch reports. No error: nothing is counted, and only a condition says so. */
export class NotYet extends Error {
  /** CamelCase. */
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}
