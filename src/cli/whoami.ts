import { InterChat } from '../sdk/index.js';
import type { Command } from './command.js';
import { withCredential } from './credential.js';
import { ExitCode } from './exit-code.js';
import { optionsHelp, readOptions } from './options.js';
import { write } from './output.js';
import { nothing } from './verbs.js';
import { visibleJson } from './visible.js';
import { whoLines } from './wording.js';

const OPTIONS = ['url', 'token', 'json', 'timeout'] as const;

export const command: Command = {
  usage: 'whoami [--json]',
  description: 'Says who you are to this server, and what you may do.',
  options: optionsHelp(OPTIONS),

  async run(args) {
    const { settings, positionals } = readOptions(args, OPTIONS, process.env);
    nothing(positionals);
    const { url, json, timeout } = settings;
    const who = await withCredential(settings, ({ token }) =>
      new InterChat(url, { token, timeout, retries: 0 }).sessions.current(),
    );
    await write(`${json ? visibleJson(who) : whoLines(who)}\n`);
    return ExitCode.done;
  },
};
