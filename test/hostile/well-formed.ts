/** A text as UTF-8 has it: what is left alone of a surrogate pair becomes U+FFFD. */
export function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
