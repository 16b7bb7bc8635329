/** A part of a text: a link to be clicked, or just text. */
export interface TextPart {
  readonly text: string;
  readonly href?: string;
}

/** What looks like an address of the web. Nothing but http and https: anything else could act when it is clicked. */
const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/giu;

/** Finds the links in a text. The parts, put together, are the text. */
export function linkify(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = withoutTrailing(match[0]);
    if (!URL.canParse(address)) continue;
    if (match.index > end) parts.push({ text: text.slice(end, match.index) });
    parts.push({ text: address, href: new URL(address).href });
    end = match.index + address.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  return parts;
}

/** What ends a sentence, or closes a parenthesis that the address did not open, is not part of it. */
function withoutTrailing(address: string): string {
  // Counted once: an address may be as long as a message, and all of it parentheses.
  const excess: Record<string, number> = { ')': excessOf(address, '(', ')'), ']': excessOf(address, '[', ']') };
  let end = address.length;
  for (;;) {
    const last = address[end - 1] ?? '';
    const closesMore = (excess[last] ?? 0) > 0;
    if (!closesMore && !/[.,;:!?…*]/.test(last)) return address.slice(0, end);
    if (closesMore) excess[last] = (excess[last] ?? 0) - 1;
    end--;
  }
}

/** By how many more are closed than are opened. */
function excessOf(text: string, open: string, close: string): number {
  return text.split(close).length - text.split(open).length;
}
