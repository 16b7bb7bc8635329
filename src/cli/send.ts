import { buffer } from 'node:stream/consumers';
import { type Destination, InterChat, type Sent } from '../sdk/index.js';
import type { Command } from './command.js';
import { withCredential } from './credential.js';
import { CommandError, ExitCode, UsageError } from './exit-code.js';
import { optionsHelp, readOptions } from './options.js';
import { note, write } from './output.js';
import { findTarget } from './target.js';
import { visible, visibleJson } from './visible.js';

const OPTIONS = ['url', 'token', 'json', 'quiet', 'timeout'] as const;

/** How often it is tried again, with growing pauses, when the server cannot be reached: for some seconds in all. */
const RETRIES = 3;

export const command: Command = {
  usage: 'send TARGET [TEXT|-]',
  description: [
    'Sends a text. TARGET is the index of a client, or its name if only one has it (with several, they are listed and',
    "nothing is sent: exit code 1); #room for all who are in that room (in a shell: '#room'); or everyone. With -, or without TEXT where standard input is no terminal, the text is read from",
    'there, and one line break at its end is taken off. A TEXT that begins with a dash goes behind --.',
    'Without a token, or interchat login, the message comes from nobody. A server that cannot be reached, or has no room for the moment, is asked',
    'again some times, with growing pauses; the message is sent once, however often it takes.',
  ].join('\n'),
  options: optionsHelp(OPTIONS),

  async run(args) {
    const { settings, positionals } = readOptions(args, OPTIONS, process.env);
    const [target, argument, ...rest] = positionals;
    const { url, json, quiet, timeout } = settings;
    if (target === undefined) throw new UsageError('To whom? Give an index, a name, a #room, or everyone.');
    // A bot that answers whoever sent to it need not ask first whether anybody did.
    if (target === '' && process.env.INTERCHAT_FROM === '') {
      if (!quiet) note('The message came from nobody: there is nobody to answer.');
      return ExitCode.done;
    }
    if (rest.length > 0) throw new UsageError('send takes one text: put it in quotation marks.');
    const text = await textOf(argument);
    if (text === '') throw new UsageError('There is nothing to send: the text is empty.');
    const { to, sent } = await withCredential(settings, async ({ token }) => {
      // What is sent has a key of its own, so that trying again never sends it twice.
      const api = new InterChat(url, { retries: RETRIES, token, timeout });
      const to = await findTarget(api, target);
      return { to, sent: await api.sendTo(to, text) };
    });
    if (json) await write(`${visibleJson(sent)}\n`);
    else if (!quiet) await write(`${confirmation(to, sent)}\n`);
    return ExitCode.done;
  },
};

/** @throws UsageError where nobody can be asked; CommandError for what is no text */
async function textOf(argument: string | undefined): Promise<string> {
  if (argument !== undefined && argument !== '-') return argument;
  if (argument === undefined && process.stdin.isTTY) {
    throw new UsageError('What? Give a text, or - to read it from standard input.');
  }
  const bytes = await buffer(process.stdin);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    throw new CommandError('What standard input gives is no text in UTF-8.', ExitCode.failed);
  }
}

function confirmation(to: Destination, { id, reach }: Sent): string {
  const message = id === null ? 'The message' : `Message ${visible(id)}`;
  if ('client' in to) {
    return reach > 0
      ? `${message} was sent to client ${to.client}.`
      : `${message} waits for client ${to.client}, which is away.`;
  }
  return `${message} was sent to ${'room' in to ? `#${to.room}` : 'everyone'}, ${reach} online.`;
}
