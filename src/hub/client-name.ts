/** Printable, and not blank: no control, format or private-use characters, but for the joiners that scripts and emoji need. */
const NAME = /^(?!\s)(?:[^\p{C}\p{Zl}\p{Zp}]|[\u200c\u200d]){1,64}(?<!\s)$/u;

/** Whether a client may be called so: 1 to 64 printable characters, with no space at either end. */
export function isClientName(text: string): boolean {
  return NAME.test(text);
}
