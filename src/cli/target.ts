import type { CallOptions, Destination, ListQuery, Page } from '../sdk/index.js';
import { CommandError, ExitCode, UsageError } from './exit-code.js';
import { visible } from './visible.js';
import { clientLine } from './wording.js';

/** Several clients have the name that was given. */
export class SeveralClients extends CommandError {
  override readonly name = 'SeveralClients';
}

/** Whoever can be asked for clients: connected or not. */
interface Directory {
  list(query: ListQuery, options?: CallOptions): Promise<Page>;
}

/** So many of one name are told apart for the one who has to choose. */
const CANDIDATES = 10;

/** What a room may be called; the server says so too, but a typing error need not get that far. */
export const ROOM = /^[A-Za-z0-9_-]{1,64}$/;

/** A destination as {@link findTarget} takes it. */
export function targetOf(to: Destination): string {
  if ('room' in to) return `#${to.room}`;
  return 'everyone' in to ? 'everyone' : String(to.client);
}

/** The name of a room as people write it, with or without the # in front. @throws UsageError */
export function roomName(text: string): string {
  const name = text.replace(/^#/, '');
  if (ROOM.test(name)) return name;
  throw new UsageError(`${visible(text)} cannot be a room: that is 1 to 64 of A-Z, a-z, 0-9, _ and -.`);
}

/**
 * Finds out to whom something goes: `#room`, `everyone`, or a client, by its index or name.
 * @throws UsageError, CommandError as findClient
 */
export async function findTarget(directory: Directory, target: string, options?: CallOptions): Promise<Destination> {
  if (target === 'everyone') return { everyone: true };
  if (target.startsWith('#')) return { room: roomName(target) };
  return { client: await findClient(directory, target, options) };
}

/**
 * Finds out whose index is meant. A number is one, whether there is such a client or not; anything else is a name.
 * @throws UsageError for what can be neither; CommandError if nobody has that name; SeveralClients
 */
async function findClient(directory: Directory, target: string, options?: CallOptions): Promise<number> {
  if (target === '') throw new UsageError('To whom? Give an index, a name, a #room, or everyone.');
  if (/^\d+$/.test(target)) {
    const index = Number(target);
    if (!Number.isSafeInteger(index) || index < 1) throw new UsageError(`No client has the index ${target}.`);
    return index;
  }
  const { clients, total } = await directory.list({ name: target, limit: CANDIDATES }, options);
  const [only] = clients;
  if (only === undefined) throw new CommandError(`There is no client with the name ${target}.`, ExitCode.notThere);
  if (total === 1) return only.index;
  const lines = clients.map((client) => `  ${clientLine(client)}`);
  if (total > clients.length) lines.push(`  and ${total - clients.length} more`);
  throw new SeveralClients(
    [`There are ${total} clients with the name ${target}. Take the index of one:`, ...lines].join('\n'),
    ExitCode.failed,
  );
}
