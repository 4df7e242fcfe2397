// No vowels and no digits that look like them, so that no words come out: apimachinery's alphabet.
const alphabet = "bcdfghjklmnpqrstvwxz2456789";

/** The five random characters after a generateName. */
export function randomSuffix(): string {
  let text = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(5))) text += alphabet.charAt(byte % alphabet.length);
  return text;
}
