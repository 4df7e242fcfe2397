const colour: Readonly<Record<string, string>> = {
  debug: "\x1b[90m",
  info: "\x1b[36m",
  warn: "\x1b[33m",
  error: "\x1b[31m",
};
const dim = "\x1b[2m";
const reset = "\x1b[0m";

/**
 * One JSON line of the logger as one line for people: `time LEVEL service: message key=value …`. Whatever could break the line or steer a
 * terminal stays escaped.
 */
export function formatLine(line: string, colours: boolean): string {
  const { time, level, service, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const paint = (code: string | undefined, text: string): string => (colours ? `${code ?? ""}${text}${reset}` : text);
  const pairs = Object.entries(fields).map(([key, value]) => ` ${paint(dim, `${plainText(key)}=`)}${fieldText(value)}`);
  const name = paint(colour[String(level)], String(level).toUpperCase().padEnd(5));
  return `${paint(dim, String(time))} ${name} ${plainText(String(service))}: ${plainText(String(msg))}${pairs.join("")}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value === "string") return /^[^\s"=\p{C}]+$/u.test(value) ? value : quote(value);
  // Of an error, the message is for people; the stack is in the JSON form.
  if (isError(value)) return quote(value.message);
  return quoteControls(JSON.stringify(value));
}

function isError(value: unknown): value is { readonly message: string; readonly stack: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    "stack" in value &&
    "message" in value &&
    typeof value.message === "string"
  );
}

function quote(text: string): string {
  return quoteControls(JSON.stringify(text));
}

function plainText(text: string): string {
  return quoteControls(text);
}

/** JSON leaves some control and format characters as they are. */
function quoteControls(text: string): string {
  return text.replace(/\p{C}/gu, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}
