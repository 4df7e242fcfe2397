type Check = (text: string) => boolean;

/**
 * The checks of the string formats that custom resources may use, by the format's name without hyphens (`date-time` and `datetime`
 * are one). From kube-openapi's strfmt; a format that is not here is ignored by the API server, too.
 */
export const stringFormats: Readonly<Record<string, Check>> = {
  bsonobjectid: matches(/^[0-9a-fA-F]{24}$/),
  uri: isUri,
  email: isEmail,
  hostname: isHostname,
  ipv4: isIpv4,
  ipv6: isIpv6,
  cidr: isCidr,
  mac: isMac,
  uuid: matches(/^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i),
  uuid3: matches(/^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i),
  uuid4: matches(/^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i),
  uuid5: matches(/^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i),
  isbn: (text) => isIsbn10(text) || isIsbn13(text),
  isbn10: isIsbn10,
  isbn13: isIsbn13,
  creditcard: isCreditCard,
  ssn: matches(/^\d{3}[- ]\d{2}[- ]\d{4}$/),
  hexcolor: matches(/^#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/),
  rgbcolor: isRgbColor,
  byte: isBase64,
  password: () => true,
  date: isDate,
  duration: isDuration,
  datetime: isDateTime,
  // Known by name, and checked by nobody.
  quantity: () => true,
  k8sshortname: matches(/^(?=.{1,63}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/),
  k8slongname: (text) =>
    text.length <= 253 && text.split(".").every((part) => /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(part)),
};

function matches(expression: RegExp): Check {
  return (text) => expression.test(text);
}

/** What Go's url.ParseRequestURI takes: an absolute URI, an opaque one, or an absolute path. */
function isUri(text: string): boolean {
  if (text === "" || /[\u0000-\u001f\u007f]/.test(text)) return false;
  if (text === "*") return true;
  if (text.startsWith(":")) return false;
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  const [rest = ""] = text.slice(scheme === undefined ? 0 : scheme.length + 1).split("?");
  if (!rest.startsWith("/")) return scheme !== undefined;
  if (scheme === undefined || !rest.startsWith("//")) return isEscaped(rest);
  const pathStart = rest.indexOf("/", 2);
  const authority = pathStart < 0 ? rest.slice(2) : rest.slice(2, pathStart);
  const path = pathStart < 0 ? "" : rest.slice(pathStart);
  const at = authority.lastIndexOf("@");
  const user = at < 0 ? "" : authority.slice(0, at);
  if (!/^[-A-Za-z0-9._:~!$&'()*+,;=%@]*$/.test(user) || !isEscaped(user) || !isEscaped(path)) return false;
  return isUriHost(scheme, authority.slice(at + 1));
}

function isUriHost(scheme: string, host: string): boolean {
  const bracket = host.lastIndexOf("[");
  if (bracket > 0) return false;
  if (bracket === 0) {
    const end = host.lastIndexOf("]");
    if (end < 0 || !/^(?::\d*)?$/.test(host.slice(end + 1))) return false;
    const [address = "", zone] = host.slice(1, end).split(/%25(.*)/s);
    return isIpv6(address) && zone !== "";
  }
  // Lists of hosts with ports are common in other schemes, so only the last colon counts there.
  const isStrict = scheme === "http" || scheme === "https";
  const colon = isStrict ? host.indexOf(":") : host.lastIndexOf(":");
  if (colon >= 0 && !/^:\d*$/.test(host.slice(colon))) return false;
  return /^(?:[-A-Za-z0-9._~!$&'()*+,;=:\[\]<>"\u0080-\uffff]|%[89a-fA-F][0-9a-fA-F]|%25)*$/.test(host);
}

function isEscaped(text: string): boolean {
  return !/%(?![0-9a-fA-F]{2})/.test(text);
}

/** 6, 8 or 20 octets, separated by colons or hyphens, in pairs by dots, or not at all. */
function isMac(text: string): boolean {
  const octets = /^[0-9a-fA-F]{2}(?:([:-])[0-9a-fA-F]{2}(?:\1[0-9a-fA-F]{2})*)$/;
  const pairs = /^[0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4})+$/;
  const plain = /^[0-9a-fA-F]+$/;
  if (!octets.test(text) && !pairs.test(text) && !plain.test(text)) return false;
  return [12, 16, 40].includes(text.replace(/[:.-]/g, "").length);
}

function isEmail(text: string): boolean {
  const named = /^[^<>]*<([^<>]*)>$/.exec(text.trim());
  const address = named?.[1] ?? text.trim();
  const at = address.lastIndexOf("@");
  if (at <= 0 || address.length > 320) return false;
  const local = address.slice(0, at);
  const atoms = /^[\w!#$%&'*+/=?^`{|}~\u0080-\uffff-]+$/;
  const quoted = /^"(?:[^"\\\r\n]|\\.)*"$/.test(local);
  const domain = address.slice(at + 1);
  const domainIsLiteral = /^\[[^[\]\\\s]+\]$/.test(domain);
  return (
    (quoted || local.split(".").every((part) => atoms.test(part))) &&
    (domainIsLiteral || domain.split(".").every((part) => atoms.test(part)))
  );
}

/** One label, or labels with a top-level domain of letters. Lengths are in bytes. */
function isHostname(text: string): boolean {
  const bytes = (part: string): number => new TextEncoder().encode(part).length;
  const labels = text.split(".");
  if (text.length > 255 || bytes(text) > 255 || labels.some((label) => bytes(label) > 63)) return false;
  const last = labels.pop() ?? "";
  if (labels.length === 0) return /^[a-zA-Z0-9\p{S}\p{L}](?:-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?$/u.test(last);
  const label = /^[a-zA-Z0-9\p{S}\p{L}](?:[-a-zA-Z0-9\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?$/u;
  return /^\p{L}{2,63}$/u.test(last) && labels.every((part) => label.test(part));
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

function isIpv6(text: string): boolean {
  if (!text.includes(":") || text.length > 45) return false;
  const halves = text.split("::");
  if (halves.length > 2) return false;
  let groups = 0;
  for (const [half, part] of halves.entries()) {
    if (part === "") continue;
    const pieces = part.split(":");
    for (const [index, piece] of pieces.entries()) {
      const isLast = half === halves.length - 1 && index === pieces.length - 1;
      if (isLast && piece.includes(".")) {
        if (!isIpv4(piece)) return false;
        groups += 2;
      } else if (/^[0-9a-fA-F]{1,4}$/.test(piece)) {
        groups += 1;
      } else {
        return false;
      }
    }
  }
  return halves.length === 2 ? groups < 8 : groups === 8;
}

function isCidr(text: string): boolean {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  if (match === null) return false;
  const [, address = "", bits = ""] = match;
  return (isIpv4(address) && Number(bits) <= 32) || (isIpv6(address) && Number(bits) <= 128);
}

function isIsbn10(text: string): boolean {
  const digits = text.replace(/[\s-]+/g, "");
  if (!/^\d{9}[\dX]$/.test(digits)) return false;
  const sum = Array.from(digits).reduce(
    (total, digit, index) => total + (10 - index) * (digit === "X" ? 10 : Number(digit)),
    0,
  );
  return sum % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = text.replace(/[\s-]+/g, "");
  if (!/^\d{13}$/.test(digits)) return false;
  const sum = Array.from(digits).reduce((total, digit, index) => total + (index % 2 === 0 ? 1 : 3) * Number(digit), 0);
  return sum % 10 === 0;
}

function isCreditCard(text: string): boolean {
  const digits = text.replace(/[^0-9]+/g, "");
  const issued =
    /^(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11})$/;
  if (!issued.test(digits)) return false;
  let sum = 0;
  for (let index = digits.length - 1, double = false; index >= 0; index--, double = !double) {
    const digit = Number(digits[index]) * (double ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 === 0;
}

function isRgbColor(text: string): boolean {
  const match = /^rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$/.exec(text);
  return match !== null && match.slice(1).every((part) => Number(part) <= 255);
}

function isBase64(text: string): boolean {
  return text.length > 0 && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
}

function isDate(text: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (match === null) return false;
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  if (month < 1 || month > 12 || day < 1) return false;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const lengths = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  return day <= (lengths[month - 1] ?? 0);
}

function isDateTime(text: string): boolean {
  const match = /^([^tT]+)[tT](\d{2}):(\d{2}):(\d{2})(?:.\d+)?(?:[zZ]|[+-]\d{2}:\d{2})$/.exec(text);
  if (match === null) return false;
  const [, date = "", hours, minutes, seconds] = match;
  return isDate(date) && Number(hours) <= 23 && Number(minutes) <= 59 && Number(seconds) <= 59;
}

// Every unit by its names; longer texts that start with the last of them, such as "seconds", are that unit as well.
const durationUnits = [
  ["ns", "nano"],
  ["us", "µs", "micro"],
  ["ms", "milli"],
  ["s", "sec"],
  ["m", "min"],
  ["h", "hr", "hour"],
  ["d", "day"],
  ["w", "wk", "week"],
];

/** A Go duration (`1h30m`), or any text with something like a Scala one in it (`22 nanoseconds`). */
function isDuration(text: string): boolean {
  if (/^[-+]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.test(text)) return true;
  let found = false;
  for (const [, amount = "", unit = ""] of text.matchAll(/(\d+)[\t\n\f\r ]*([A-Za-zµ]+)/g)) {
    if (BigInt(amount) >= 2n ** 63n) return false;
    const wanted = unit.toLowerCase();
    found ||= durationUnits.some((names) => names.includes(wanted) || wanted.startsWith(names.at(-1) ?? ""));
  }
  return found;
}
