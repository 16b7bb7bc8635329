/** What is told apart: red, green, yellow, blue, magenta, cyan, and the same in bold. SGR parameters (ECMA-48, 8.3.117). */
const COLORS = [31, 32, 33, 34, 35, 36].flatMap((color) => [String(color), `1;${color}`]);

/** A text in the colour that a name always has, here and the next time. */
export function colored(text: string, name: string): string {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return `\x1b[${COLORS[hash % COLORS.length]}m${text}\x1b[0m`;
}

/** A text that stands back. */
export function dimmed(text: string): string {
  return `\x1b[2m${text}\x1b[0m`;
}
