import type { CallOptions, ListQuery, Page } from '../sdk/index.js';
import { CommandError, ExitCode, UsageError } from './exit-code.js';
import { clientLine } from './wording.js';

/** Whoever can be asked for clients: connected or not. */
interface Directory {
  list(query: ListQuery, options?: CallOptions): Promise<Page>;
}

/** So many of one name are told apart for the one who has to choose. */
const CANDIDATES = 10;

/**
 * Finds out whose index is meant. A number is one, whether there is such a client or not; anything else is a name.
 * @throws UsageError for what can be neither; CommandError if nobody has that name, or several have
 */
export async function findTarget(directory: Directory, target: string, options?: CallOptions): Promise<number> {
  if (target.startsWith('#') || target === 'everyone') {
    throw new UsageError(`Sending to rooms and to everyone (${target}) comes with a later release.`);
  }
  if (target === '') throw new UsageError('To whom? Give an index or a name.');
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
  throw new CommandError(
    [`There are ${total} clients with the name ${target}. Take the index of one:`, ...lines].join('\n'),
    ExitCode.failed,
  );
}
