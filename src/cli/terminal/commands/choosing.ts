import type { Destination } from '../../../sdk/index.js';
import { CommandError, ExitCode, UsageError } from '../../exit-code.js';
import { findTarget, ROOM, roomName, SeveralClients } from '../../target.js';
import { visible } from '../../visible.js';
import { errorLine } from '../../wording.js';
import { type Context, sayWhatIsThere } from '../command.js';
import { completeRoom, completeTarget } from '../completion.js';
import { type Conversation, labelOf } from '../conversation.js';

/** The room that was given, or is asked for; undefined when nobody answers. @throws UsageError */
export async function askRoom({ client, ask }: Context, given: string, prompt: string): Promise<string | undefined> {
  const text = given.trim() || (await ask({ prompt, complete: (line) => completeRoom(client, line) }))?.trim();
  return text === undefined ? undefined : roomName(text);
}

/**
 * To whom something goes that was given, or is asked for. Where several have the name, the index is asked for; undefined when
 * nobody answers.
 * @throws UsageError, CommandError as findTarget
 */
export async function askTarget(context: Context, given: string, prompt: string): Promise<Destination | undefined> {
  const { client, signal, ask, print } = context;
  const target = given || (await ask({ prompt, complete: (line) => completeTarget(client, line) }))?.trim();
  if (target === undefined) return undefined;
  try {
    return await findTarget(client, target, { signal });
  } catch (error) {
    if (!(error instanceof SeveralClients)) throw error;
    print(errorLine(error));
    const index = (await ask({ prompt: 'Enter client index: ' }))?.trim();
    if (!index) return undefined;
    if (!/^\d+$/.test(index)) throw new UsageError(`${visible(index)} is no index.`);
    return findTarget(client, index, { signal });
  }
}

/** The same for what may be a room without the # in front, too, if no client has that name. */
export async function askConversation(context: Context, given: string): Promise<Destination | undefined> {
  const { client, signal } = context;
  try {
    return await askTarget(context, given, 'Enter client index, name or #room: ');
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== ExitCode.notThere) throw error;
    const isRoom = await client.listMembers(given, { limit: 1 }, { signal }).then(
      () => true,
      () => false,
    );
    if (isRoom) return { room: given };
    if (!ROOM.test(given)) throw error;
    throw new CommandError(`There is no client and no room ${given}. OPEN #${given} makes one.`, error.exitCode);
  }
}

/** What a conversation is called. @throws CommandError for a client that is not there */
export async function nameOf({ client, signal }: Context, conversation: Conversation): Promise<string> {
  if (!('client' in conversation)) return labelOf(conversation);
  const info = await client.get(conversation.client, { signal }).catch((error: unknown) => {
    throw sayWhatIsThere(error, conversation);
  });
  return labelOf(conversation, info.name);
}
