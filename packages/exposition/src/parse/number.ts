/**
 * A number as both text formats have it: a decimal with an optional exponent, `Inf`, `Infinity` and `NaN` in any case. `undefined` for
 * anything else, hexadecimal digits, underscores and what a 64-bit float cannot hold included: scrapers refuse those.
 */
export function parseNumber(text: string): number | undefined {
  if (isDecimal(text)) {
    const value = Number(text);
    return Number.isFinite(value) ? value : undefined;
  }
  if (text.length > 9) return undefined;
  switch (text.toLowerCase()) {
    case "inf":
    case "+inf":
    case "infinity":
    case "+infinity":
      return Infinity;
    case "-inf":
    case "-infinity":
      return -Infinity;
    case "nan":
    case "+nan":
    case "-nan":
      return NaN;
    default:
      return undefined;
  }
}

// By hand: a regular expression may run out of stack on a number of a million digits.
function isDecimal(text: string): boolean {
  let at = isSign(text.charCodeAt(0)) ? 1 : 0;
  const whole = digits(text, at);
  at += whole;
  if (text.charCodeAt(at) === 0x2e) {
    const fraction = digits(text, ++at);
    at += fraction;
    if (whole + fraction === 0) return false;
  } else if (whole === 0) {
    return false;
  }
  if ((text.charCodeAt(at) | 0x20) === 0x65) {
    if (isSign(text.charCodeAt(++at))) at++;
    const exponent = digits(text, at);
    if (exponent === 0) return false;
    at += exponent;
  }
  return at === text.length;
}

function isSign(code: number): boolean {
  return code === 0x2b || code === 0x2d;
}

function digits(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at++;
  return at - from;
}
