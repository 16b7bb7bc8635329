import type { Destination } from '../../../sdk/index.js';
import { CommandError, ExitCode } from '../../exit-code.js';
import { visible } from '../../visible.js';
import { count, errorLine } from '../../wording.js';
import { type Context, firstWord, sayWhatIsThere, type TerminalCommand } from '../command.js';
import { labelOf } from '../conversation.js';
import { askRoom, askTarget, nameOf } from './choosing.js';

/** So much of a text is said again, in characters. */
const EXCERPT = 40;

export const SEND: TerminalCommand = {
  name: 'SEND',
  takes: '[TARGET [TEXT]]',
  help: 'send a text; asks for what is not given',
  completes: 'target',
  async run(context, rest) {
    const { word, behind } = firstWord(rest);
    const to = await askTarget(context, word, 'Enter client index to send message to: ');
    if (to === undefined) return;
    // Asked before the text is typed, not after; one that is given is kept if the server cannot be asked.
    if (behind === '') await nameOf(context, to);
    await sendTyped(context, to, behind);
  },
};

export const SAY: TerminalCommand = {
  name: 'SAY',
  takes: '[ROOM [TEXT]]',
  help: 'send a text to all who are in a room',
  completes: 'room',
  async run(context, rest) {
    const { word, behind } = firstWord(rest);
    const room = await askRoom(context, word, 'Enter room to say it in: ');
    if (room !== undefined) await sendTyped(context, { room }, behind);
  },
};

export const RETRY: TerminalCommand = {
  name: 'RETRY',
  takes: '',
  help: 'send again what failed; it arrives once',
  async run({ outbox, signal, print }) {
    if (outbox.failed.length === 0) return print('Everything was sent.');
    for (let draft = outbox.failed[0]; draft; draft = outbox.failed[0]) {
      const { to, text } = draft;
      try {
        await outbox.retry(signal);
        print(`Sent to ${labelOf(to)}: ${excerpt(text)}`);
      } catch (error) {
        if (!outbox.failed.includes(draft)) {
          print(`Refused: ${errorLine(sayWhatIsThere(error, to))}\nNot sent to ${labelOf(to)}: ${excerpt(text)}`);
          continue;
        }
        const left = count(outbox.failed.length, 'message');
        throw new CommandError(`${reason(error, signal)}\nNot sent yet: ${left}. RETRY tries again.`, ExitCode.failed);
      }
    }
  },
};

/** Sends what was typed into an open conversation. @throws as sendText */
export async function sendLine(context: Context, to: Destination, text: string): Promise<void> {
  await sendText(context, to, text, true);
}

/** Sends a text that was given, or is asked for. */
async function sendTyped(context: Context, to: Destination, given: string): Promise<void> {
  const text = given || (await context.ask({ prompt: 'Enter message: ' }));
  if (text === undefined) return;
  if (text === '') return context.print('There is nothing to send: the message is empty.');
  await sendText(context, to, text, false);
}

/** @throws CommandError that marks what was not sent; what the server refuses as it comes */
async function sendText(context: Context, to: Destination, text: string, isShown: boolean): Promise<void> {
  const { outbox, signal, print } = context;
  const before = outbox.failed.length;
  try {
    const { reach } = await outbox.send(to, text, signal, isShown);
    if (reach === 0 && 'client' in to) print(`Client ${to.client} is away. It gets the message when it is back.`);
  } catch (error) {
    if (outbox.failed.length === before) throw sayWhatIsThere(error, to);
    const mark = `Not sent to ${labelOf(to)}: ${excerpt(text)}\nRETRY sends it again.`;
    throw new CommandError(`${reason(error, signal)}\n${mark}`, ExitCode.failed);
  }
}

function reason(error: unknown, signal: AbortSignal): string {
  return signal.aborted ? 'Interrupted.' : errorLine(error);
}

function excerpt(text: string): string {
  const characters = [...text];
  return visible(characters.length <= EXCERPT ? text : `${characters.slice(0, EXCERPT - 1).join('')}…`);
}
