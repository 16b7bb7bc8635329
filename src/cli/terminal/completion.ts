import type { Client } from '../../sdk/index.js';
import { visible } from '../visible.js';

/** What a line could be completed to: the candidates, and the part at the end of the line that they replace. */
export type Completion = [candidates: readonly string[], part: string];

/** Offers what a line could be completed to. */
export type Completer = (line: string) => Promise<Completion>;

/** For so many milliseconds Tab waits for the server: nothing that is typed behind it is shown meanwhile. */
const PATIENCE = 1_000;

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

/** Completes the index or the name of a client, or behind a # the name of a room. */
export async function completeTarget(client: Client, typed: string): Promise<Completion> {
  if (typed.startsWith('#')) return completeRoom(client, typed);
  if (/\s/.test(typed)) return [[], typed];
  const { clients } = await client.list({ limit: 1000 }, { signal: AbortSignal.timeout(PATIENCE) });
  const targets = clients.flatMap(({ index, name }) => [String(index), name ?? '']);
  // A name with a space in it cannot be told from a name and the text behind it.
  const usable = targets.filter((target) => target.startsWith(typed) && /^\S+$/.test(target));
  return [[...new Set(usable)], typed];
}

/** Completes the name of a room, with the # in front if it was typed so. */
export async function completeRoom(client: Client, typed: string): Promise<Completion> {
  if (/\s/.test(typed)) return [[], typed];
  const { rooms } = await client.listRooms({ limit: 1000 }, { signal: AbortSignal.timeout(PATIENCE) });
  const mark = typed.startsWith('#') ? '#' : '';
  return [rooms.map(({ name }) => mark + name).filter((name) => name.startsWith(typed)), typed];
}
