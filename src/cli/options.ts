import { parseArgs } from 'node:util';
import { UsageError } from './exit-code.js';
import { type When, WHENS } from './when.js';
import { roomName } from './target.js';

/** What the flags of all commands come to. Each command takes some of them. */
export interface Settings {
  /** Of the server: http or https. */
  readonly url: string;
  readonly token: string | undefined;
  readonly name: string | undefined;
  readonly rooms: readonly string[] | undefined;
  readonly presence: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly color: When;
  readonly timestamps: When;
  readonly bell: boolean;
  readonly once: boolean;
  readonly since: string | undefined;
  readonly exec: string | undefined;
  /** 0 = as often as it takes. */
  readonly tries: number;
  readonly state: string | undefined;
  /** Milliseconds. */
  readonly timeout: number | undefined;
  /** Permissions. */
  readonly may: readonly string[] | undefined;
  readonly admin: boolean;
  /** As it was written. */
  readonly expires: string | undefined;
  readonly everywhere: boolean;
  /** As it was written. */
  readonly for: string | undefined;
  readonly reason: string | undefined;
  /** Of a server on this machine: see EngineConfig, which checks them. */
  readonly data: string | undefined;
  readonly engine: string | undefined;
  readonly secret: string | undefined;
}

export type OptionName = keyof Settings;

interface Option {
  /** What stands for the value in the help; a flag without one is on or off. */
  readonly value?: string;
  readonly help: string;
}

const OPTIONS: Readonly<Record<OptionName, Option>> = {
  url: { value: 'URL', help: 'the server [http://127.0.0.1:8080]' },
  token: {
    value: 'TOKEN',
    help: 'who you are: a client’s token, that of a session, or a key; better given as a variable',
  },
  name: { value: 'NAME', help: 'what to be called' },
  rooms: { value: 'LIST', help: 'rooms to enter at once, with commas between them' },
  presence: { help: 'tell who comes and goes' },
  json: { help: 'a JSON object a line on standard output' },
  quiet: { help: 'say nothing but what was asked for' },
  color: { value: 'WHEN', help: 'names in colours: auto (on a terminal, unless NO_COLOR is set), always, never' },
  timestamps: { value: 'WHEN', help: 'when each message was sent: auto (on a terminal), always, never' },
  bell: { help: 'ring when a message comes in' },
  once: { help: 'end after the first message' },
  since: { value: 'CURSOR', help: 'go on behind the message that came with this cursor' },
  exec: { value: 'CMD', help: 'run a command of the shell for each message, instead of printing it' },
  tries: { value: 'NUMBER', help: 'how often CMD is tried for a message; 0 = as often as it takes [3]' },
  state: { value: 'FILE', help: 'keep there who this is and how far it has come, and go on from there the next time' },
  timeout: { value: 'SECONDS', help: 'how long to wait' },
  may: { value: 'LIST', help: 'what it may do, with commas: connect, list, send:TARGET, read:ROOM, admin' },
  admin: { help: 'may do everything, and keep order' },
  expires: { value: 'TIME', help: 'until when it is taken: 12h, 90d, or a date [until it is revoked]' },
  everywhere: { help: 'on all devices' },
  for: { value: 'TIME', help: 'for how long: 30m, 12h, 90d' },
  reason: { value: 'TEXT', help: 'why' },
  data: { value: 'FOLDER', help: 'of a server on this machine: the folder that it keeps its data in [./data]' },
  engine: { value: 'ENGINE', help: 'of a server on this machine: lmdb, or nats://HOST [lmdb]' },
  secret: { value: 'SECRET', help: 'of a server: what it was given to sign with; better given as a variable' },
};

/** Everything is a flag or a variable: `--url` is INTERCHAT_URL. */
export function variableOf(name: OptionName): string {
  return `INTERCHAT_${name.toUpperCase()}`;
}

export interface CommandLine<K extends OptionName> {
  readonly settings: Pick<Settings, K>;
  readonly positionals: readonly string[];
  /** Whether it was set, by a flag or a variable. */
  readonly isGiven: (name: K) => boolean;
}

/**
 * Reads flags, then variables, then defaults. An empty variable is as good as none.
 * @throws UsageError for a flag that is not among those taken, or a value that cannot be
 */
export function readOptions<K extends OptionName>(
  args: readonly string[],
  takes: readonly K[],
  env: NodeJS.ProcessEnv,
): CommandLine<K> {
  const { values, positionals } = parse(args, takes);
  const text = (name: OptionName) => values[name] ?? (env[variableOf(name)] || undefined);
  const on = (name: OptionName) => values[name] === true || isOn(name, env);
  const value = (name: OptionName) => {
    const given = text(name);
    return typeof given === 'string' ? given : undefined;
  };
  const read: { [Name in OptionName]: () => Settings[Name] } = {
    url: () => serverUrl(value('url') ?? 'http://127.0.0.1:8080'),
    token: () => value('token'),
    name: () => value('name'),
    rooms: () => roomNames(value('rooms')),
    presence: () => on('presence'),
    json: () => on('json'),
    quiet: () => on('quiet'),
    color: () => when('color', value('color')),
    timestamps: () => when('timestamps', value('timestamps')),
    bell: () => on('bell'),
    once: () => on('once'),
    since: () => value('since'),
    exec: () => value('exec'),
    tries: () => number('tries', value('tries') ?? '3'),
    state: () => value('state'),
    timeout: () => milliseconds(value('timeout')),
    may: () => items(value('may')),
    admin: () => on('admin'),
    expires: () => value('expires'),
    everywhere: () => on('everywhere'),
    for: () => value('for'),
    reason: () => value('reason'),
    data: () => value('data'),
    engine: () => value('engine'),
    secret: () => value('secret'),
  };
  const settings = Object.fromEntries(takes.map((name) => [name, read[name]()])) as Pick<Settings, K>;
  return { settings, positionals, isGiven: (name) => text(name) !== undefined };
}

/**
 * The URL of a server as people write it: `localhost:8080` will do.
 * @throws UsageError
 */
export function serverUrl(text: string): string {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UsageError(`${JSON.stringify(text)} is not the URL of a server, such as http://127.0.0.1:8080.`);
  }
  return url;
}

/** The lines of the help that tell these options. */
export function optionsHelp(names: readonly OptionName[]): string {
  const rows = names.map((name) => {
    const { value, help } = OPTIONS[name];
    return [`  --${name}${value === undefined ? '' : ` ${value}`}`, help, variableOf(name)] as const;
  });
  const width = Math.max(...rows.map(([flag]) => flag.length)) + 2;
  return rows.map(([flag, help, variable]) => `${flag.padEnd(width)}${help} (${variable})`).join('\n');
}

function parse(args: readonly string[], takes: readonly OptionName[]) {
  const options = Object.fromEntries(
    takes.map((name) => [name, { type: OPTIONS[name].value === undefined ? 'boolean' : 'string' } as const]),
  );
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    return { values: values as Partial<Record<OptionName, string | boolean>>, positionals };
  } catch (error) {
    // Its messages are meant for people, but only the first sentence is of use here.
    if (error instanceof TypeError) throw new UsageError(`${error.message.split(/\.\s/)[0]}.`);
    throw error;
  }
}

function isOn(name: OptionName, env: NodeJS.ProcessEnv): boolean {
  const text = (env[variableOf(name)] ?? '').toLowerCase();
  if (['1', 'true', 'yes', 'on'].includes(text)) return true;
  if (['', '0', 'false', 'no', 'off'].includes(text)) return false;
  throw new UsageError(`${variableOf(name)} takes 1 or 0, not ${JSON.stringify(text)}.`);
}

function when(name: OptionName, text = 'auto'): When {
  const found = WHENS.find((when) => when === text);
  if (found) return found;
  throw new UsageError(`--${name} takes ${WHENS.join(', ')}, not ${JSON.stringify(text)}.`);
}

function items(text: string | undefined): string[] | undefined {
  return text?.split(',').flatMap((item) => (item.trim() === '' ? [] : [item.trim()]));
}

function roomNames(text: string | undefined): string[] | undefined {
  return text?.split(',').flatMap((name) => (name.trim() === '' ? [] : [roomName(name.trim())]));
}

function number(name: OptionName, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} takes a number, not ${JSON.stringify(text)}.`);
}

function milliseconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  // A timer takes no more than 2^31 milliseconds.
  if (!(seconds > 0 && seconds <= 2_000_000)) {
    throw new UsageError(`--timeout takes seconds, more than 0, not ${JSON.stringify(text)}.`);
  }
  return Math.ceil(seconds * 1000);
}
