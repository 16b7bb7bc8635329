import { ProblemError } from '../../../sdk/index.js';
import { CommandError, ExitCode } from '../../exit-code.js';
import { roomName } from '../../target.js';
import { visible } from '../../visible.js';
import { type Context, firstWord, sayWhatIsThere, type TerminalCommand } from '../command.js';
import { askRoom, askTarget, nameOf } from './choosing.js';
import { closeConversation } from './conversations.js';

export const PRIVATE: TerminalCommand = {
  name: 'PRIVATE',
  takes: '[ROOM]',
  help: 'make a private room of yours; close it for all',
  async run(context, rest) {
    const room = await askRoom(context, rest, 'Enter name of the private room: ');
    if (room === undefined) return;
    await context.client.api.privateRooms.make(room, { signal: context.signal });
    context.print(`#${room} is yours, and there to nobody else. INVITE bob ${room} lets somebody in.`);
  },
};

export const DISBAND: TerminalCommand = {
  name: 'DISBAND',
  takes: '[ROOM]',
  help: '',
  completes: 'room',
  async run(context, rest) {
    const room = await askRoom(context, rest, 'Enter room to close for all: ');
    if (room === undefined) return;
    await context.client.api.privateRooms.close(room, { signal: context.signal }).catch(sayWhose(room));
    context.print(`#${room} is closed.`);
    // What is said there would reach nobody.
    const { conversation } = context.inbox;
    if (conversation !== undefined && 'room' in conversation && conversation.room === room) closeConversation(context);
  },
};

export const INVITE: TerminalCommand = {
  name: 'INVITE',
  takes: 'CLIENT [ROOM]',
  help: 'let somebody into your room; put somebody out',
  completes: 'target',
  async run(context, rest) {
    await withBoth(context, rest, 'Enter client to invite: ', async (index, room) => {
      await context.client.api.privateRooms.invite(room, index, { signal: context.signal });
      context.print(`${await called(context, index)} may enter #${room}.`);
    });
  },
};

export const KICK: TerminalCommand = {
  name: 'KICK',
  takes: 'CLIENT [ROOM]',
  help: '',
  completes: 'target',
  async run(context, rest) {
    await withBoth(context, rest, 'Enter client to put out: ', async (index, room) => {
      await context.client.api.privateRooms.putOut(room, index, { signal: context.signal });
      context.print(`${await called(context, index)} is not in #${room} any more.`);
    });
  },
};

export const HANDOVER: TerminalCommand = {
  name: 'HANDOVER',
  takes: 'ROOM CLIENT',
  help: 'make your room that of another in it',
  completes: 'room',
  async run(context, rest) {
    const { word, behind } = firstWord(rest);
    const room = await askRoom(context, word, 'Enter room to hand over: ');
    if (room === undefined) return;
    await withBoth(context, `#${room} ${behind}`, 'Enter client to hand it to: ', async (index) => {
      await context.client.api.privateRooms.handOver(room, index, { signal: context.signal });
      context.print(`#${room} is the room of ${await called(context, index)} now.`);
    });
  },
};

export const INVITATIONS: TerminalCommand = {
  name: 'INVITATIONS',
  takes: '',
  help: 'to which private rooms you are invited',
  async run(context) {
    const { client, signal, print } = context;
    const invitations = await client.api.privateRooms.invitations(client.index, { signal });
    for (const { room, owner } of invitations) {
      print(`${await called(context, owner)} invites you to #${visible(room)}: JOIN ${visible(room)}`);
    }
    if (invitations.length === 0) print('You are not invited anywhere.');
  },
};

/** A client and a room, in either order if the room has its #; what is left out is asked for, but for the room where one talks. */
async function withBoth(
  context: Context,
  rest: string,
  prompt: string,
  act: (index: number, room: string) => Promise<void>,
): Promise<void> {
  const { word, behind } = firstWord(rest);
  const [target, where] = word.startsWith('#') ? [behind.trim(), word] : [word, behind.trim()];
  const to = await askTarget(context, target, prompt);
  if (to === undefined) return;
  if (!('client' in to)) throw new CommandError('That is no client.', ExitCode.wrongUsage);
  const open = context.inbox.conversation;
  const here = open !== undefined && 'room' in open ? open.room : undefined;
  const room = where === '' && here !== undefined ? here : await askRoom(context, where, 'Enter room: ');
  if (room === undefined) return;
  await act(to.client, roomName(room)).catch((error: unknown) => sayWhose(room)(sayWhatIsThere(error, to)));
}

/** Throws what went wrong with a private room, in words of this client. */
function sayWhose(room: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ProblemError) || error.code !== 'no-such-room') throw error;
    throw new CommandError(`You are in no private room ${room}. PRIVATE ${room} makes one.`, ExitCode.notThere);
  };
}

/** A client by its name, if it has one. */
async function called(context: Context, index: number): Promise<string> {
  const label = await nameOf(context, { client: index }).catch(() => `client ${index}`);
  return label.replace(/^client (?=\d+$)/, 'Client ');
}
