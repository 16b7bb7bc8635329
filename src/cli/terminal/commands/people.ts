import { roomName } from '../../target.js';
import { visible } from '../../visible.js';
import { clientLine, count, roomLine } from '../../wording.js';
import { type Context, sayWhatIsThere, type TerminalCommand } from '../command.js';
import { askRoom } from './choosing.js';
import { closeConversation } from './conversations.js';

export const LIST: TerminalCommand = {
  name: 'LIST',
  takes: '',
  help: 'who there is',
  run: listAll,
};

export const WHO: TerminalCommand = {
  name: 'WHO',
  takes: '[ROOM]',
  help: 'who is in a room; without one, the same as LIST',
  completes: 'room',
  async run(context, rest) {
    const { client, signal, print } = context;
    if (rest.trim() === '') return listAll(context);
    const room = roomName(rest.trim());
    for (let after: number | undefined; ;) {
      const page = await client.listMembers(room, { limit: 1000, after }, { signal }).catch((error: unknown) => {
        throw sayWhatIsThere(error, { room });
      });
      for (const info of page.clients) print(clientLine(info));
      after = page.clients.at(-1)?.index;
      if (page.next === null || after === undefined) return;
    }
  },
};

export const ROOMS: TerminalCommand = {
  name: 'ROOMS',
  takes: '',
  help: 'which rooms there are',
  async run({ client, signal, print }) {
    let some = false;
    for await (const room of client.rooms({ limit: 1000 }, { signal })) {
      some = true;
      print(roomLine(room));
    }
    if (!some) print('There are no rooms. JOIN lobby makes one.');
  },
};

export const JOIN: TerminalCommand = {
  name: 'JOIN',
  takes: '[ROOM]',
  help: 'enter a room, which is made if it is not there',
  completes: 'room',
  async run(context, rest) {
    const room = await askRoom(context, rest, 'Enter room to join: ');
    if (room === undefined) return;
    const { members } = await context.client.enter(room, { signal: context.signal });
    context.print(`You are in #${room}, ${count(members, 'member')}.`);
  },
};

export const LEAVE: TerminalCommand = {
  name: 'LEAVE',
  takes: '[ROOM]',
  help: 'leave a room',
  completes: 'room',
  async run(context, rest) {
    const room = await askRoom(context, rest, 'Enter room to leave: ');
    if (room === undefined) return;
    await context.client.exit(room, { signal: context.signal });
    context.print(`You are not in #${room} any more.`);
    // What is answered there would not be heard.
    const { conversation } = context.inbox;
    if (conversation !== undefined && 'room' in conversation && conversation.room === room) closeConversation(context);
  },
};

export const NAME: TerminalCommand = {
  name: 'NAME',
  takes: '[NAME]',
  help: 'take a name; without one, which you have',
  async run({ client, signal, print }, rest) {
    if (rest === '') {
      return print(
        client.name === null ? 'You have no name. NAME alice gives you one.' : `You are ${visible(client.name)}.`,
      );
    }
    const { name } = await client.rename(rest, { signal });
    print(`You are ${visible(name ?? '')} now.`);
  },
};

async function listAll({ client, signal, print }: Context): Promise<void> {
  for await (const info of client.clients({ limit: 1000 }, { signal })) print(clientLine(info));
}
