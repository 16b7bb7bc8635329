import { visible } from '../visible.js';

/** What a line could be completed to: the candidates, and the part at the end of the line that they replace. */
export type Completion = [candidates: readonly string[], part: string];

/** Offers what a line could be completed to. */
export type Completer = (line: string) => Promise<Completion>;

/** More candidates than this are not listed. */
const LISTED = 100;

/** What all candidates have in common behind the part that stands there already. */
export function commonRest([candidates, part]: Completion): string {
  const [first = part, ...others] = candidates;
  let length = first.length;
  for (const other of others) {
    while (!other.startsWith(first.slice(0, length))) length--;
  }
  // Not half of a character.
  if (/[\ud800-\udbff]$/.test(first.slice(0, length))) length--;
  return first.slice(part.length, length);
}

/** The candidates for people, on as many lines as they need. */
export function candidateLines([candidates]: Completion, columns: number): string {
  const lines: string[] = [];
  let line = '';
  for (const candidate of candidates.slice(0, LISTED).map((text) => visible(text.trim()))) {
    if (line !== '' && line.length + 2 + candidate.length > columns) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? candidate : `  ${candidate}`;
  }
  lines.push(line);
  if (candidates.length > LISTED) lines.push(`and ${candidates.length - LISTED} more`);
  return lines.join('\n');
}
