import { InterChat } from '../sdk/index.js';
import type { Command } from './command.js';
import { withCredential } from './credential.js';
import { ExitCode, UsageError } from './exit-code.js';
import { optionsHelp, readOptions } from './options.js';
import { write } from './output.js';
import { visibleJson } from './visible.js';
import { roomLine } from './wording.js';

const OPTIONS = ['url', 'token', 'json', 'timeout'] as const;

export const command: Command = {
  usage: 'rooms [--json]',
  description: 'Lists all rooms, a line each: "#lobby: 3 members, 2 online."',
  options: optionsHelp(OPTIONS),

  async run(args) {
    const { settings, positionals } = readOptions(args, OPTIONS, process.env);
    if (positionals.length > 0) throw new UsageError(`rooms takes no arguments, not ${positionals.join(' ')}.`);
    const { url, json, timeout } = settings;
    await withCredential(settings, async ({ token }) => {
      const api = new InterChat(url, { retries: 0, token, timeout });
      for await (const room of api.rooms({ limit: 1000 })) {
        await write(`${json ? visibleJson(room) : roomLine(room)}\n`);
      }
    });
    return ExitCode.done;
  },
};
