/**
 * Base of every error class in this repository: one class per package, each with a closed union of codes.
 * The code is API and stays; the message is for people and may change. The message always starts with the code.
 */
export abstract class CodedError<Code extends string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: { readonly cause?: unknown }) {
    super(`[${code}] ${message}`, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** One line about anything thrown: the message with those of its causes, never a stack. Never throws itself. */
export function describeError(thrown: unknown): string {
  const parts: string[] = [];
  let current: unknown = thrown;
  // Five causes deep is more than a reader follows, and a cycle would never end.
  for (let depth = 0; depth < 5 && current !== undefined && current !== null; depth++) {
    const text = current instanceof Error ? current.message || current.name : safeString(current);
    if (!parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(": ");
}

function safeString(value: unknown): string {
  try {
    // JSON shows an object's fields where its text would show none; what JSON cannot write has a text of its own.
    return typeof value === "string" ? value : (JSON.stringify(value) ?? Object.prototype.toString.call(value));
  } catch {
    return Object.prototype.toString.call(value);
  }
}
