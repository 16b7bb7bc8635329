import { InterChat } from '../sdk/index.js';
import type { Command } from './command.js';
import { withCredential } from './credential.js';
import { ExitCode, UsageError } from './exit-code.js';
import { optionsHelp, readOptions } from './options.js';
import { write } from './output.js';
import { visibleJson } from './visible.js';
import { clientLine } from './wording.js';

const OPTIONS = ['url', 'token', 'json', 'timeout'] as const;

export const command: Command = {
  usage: 'list [--json]',
  description: 'Lists all clients, a line each: "Client 1 is at socket 3.", with the name in brackets if it has one.',
  options: optionsHelp(OPTIONS),

  async run(args) {
    const { settings, positionals } = readOptions(args, OPTIONS, process.env);
    if (positionals.length > 0) throw new UsageError(`list takes no arguments, not ${positionals.join(' ')}.`);
    const { url, json, timeout } = settings;
    await withCredential(settings, async ({ token }) => {
      const api = new InterChat(url, { retries: 0, token, timeout });
      for await (const client of api.clients({ limit: 1000 })) {
        await write(`${json ? visibleJson(client) : clientLine(client)}\n`);
      }
    });
    return ExitCode.done;
  },
};
