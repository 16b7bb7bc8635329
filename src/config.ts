import { isIP } from 'node:net';
import { totalmem } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { parseNatsAddress } from './engine/nats/address.js';
import { parseRange } from './hub/access/network.js';
import { ASYMMETRIC_ALGORITHMS, SECRET_ALGORITHMS_UNLESS_SET, SECRET_BYTES } from './identity/algorithms.js';
import type { JwtSettings } from './identity/jwt.js';

/**
 * `INTERCHAT_*` variables that belong to the commands which talk to a server (`list`, `send`, `connect`, `account` …), or that
 * `listen --exec` sets. `serve` lets them pass: one shell or one compose file may set both kinds.
 */
export const CLIENT_VARIABLES: readonly string[] = [
  'INTERCHAT_URL',
  'INTERCHAT_TOKEN',
  'INTERCHAT_NAME',
  'INTERCHAT_ROOMS',
  'INTERCHAT_PRESENCE',
  'INTERCHAT_JSON',
  'INTERCHAT_TIMEOUT',
  'INTERCHAT_QUIET',
  'INTERCHAT_COLOR',
  'INTERCHAT_TIMESTAMPS',
  'INTERCHAT_BELL',
  'INTERCHAT_SINCE',
  'INTERCHAT_ONCE',
  'INTERCHAT_STATE',
  'INTERCHAT_EXEC',
  'INTERCHAT_TRIES',
  'INTERCHAT_MAY',
  'INTERCHAT_ADMIN',
  'INTERCHAT_EXPIRES',
  'INTERCHAT_EVERYWHERE',
  'INTERCHAT_FOR',
  'INTERCHAT_REASON',
  'INTERCHAT_ID',
  'INTERCHAT_FROM',
  'INTERCHAT_FROM_NAME',
  'INTERCHAT_TO',
  'INTERCHAT_REPLY_TO',
  'INTERCHAT_SENT_AT',
  'INTERCHAT_TRY',
  'INTERCHAT_CLIENT',
];

/** A wrong or unknown setting. Its message is one line, fit to be the last thing a failed start prints. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** What a person has to know about a setting: said by the help text, by the README's table and by a refusal. */
interface Description {
  /** What stands for the value in the help text; empty for a switch, which needs none. */
  readonly value: string;
  /** Completes "takes …". */
  readonly takes: string;
  readonly help: string;
}

/** See {@link shareOfMemory}. */
const LARGEST_SHARE = 256 * 1024 * 1024;

const descriptions = z.registry<Description>();

// Each setting is read from text, as flags and variables give it, so defaults are text too (`prefault`) and the help
// shows them as one would type them.
const settings = z.object({
  /** The address or host name to listen on. */
  host: z
    .string()
    .refine((text) => isIP(text) !== 0 || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text))
    .prefault('127.0.0.1')
    .register(descriptions, {
      value: 'HOST',
      takes: 'an address or a host name, without scheme, brackets or port',
      help: 'where to listen; 0.0.0.0 or :: for all interfaces',
    }),
  /** The TCP port to listen on; 0 stands for any free one. */
  port: wholeNumber(0, 65_535).prefault('8080').register(descriptions, {
    value: 'PORT',
    takes: 'a whole number from 0 to 65535',
    help: 'the port to listen on; 0 = any free one, and the start says which',
  }),
  /** The absolute path of the data folder. */
  data: z
    .string()
    .refine((text) => text !== '' && !text.includes('\0'))
    .transform((text) => resolve(text))
    .prefault('./data')
    .register(descriptions, {
      value: 'FOLDER',
      takes: 'the path of a folder',
      help: 'the folder that keeps clients, rooms and messages; made if it is not there',
    }),
  /** What keeps the log and the directory: `lmdb`, or where NATS is. It may hold a password: never print or log it. */
  engine: z
    .string()
    .transform((text, context) => {
      const engine = text === 'lmdb' ? text : parseNatsAddress(text);
      if (engine === undefined) context.addIssue({ code: 'custom', input: text });
      return engine ?? 'lmdb';
    })
    .prefault('lmdb')
    .register(descriptions, {
      value: 'ENGINE',
      takes: 'lmdb, or servers of one NATS: nats://[USER:PASSWORD@]HOST[:PORT][,nats://…][/NAME]',
      help: 'what keeps the log: lmdb, embedded in the process, or nats://HOST:PORT[,nats://…], shared by many',
    }),
  /** On how many NATS servers everything is stored before it counts. Undefined: 3 if so many are named, else 1. */
  replicas: z.enum(['1', '3', '5']).transform(Number).optional().register(descriptions, {
    value: 'NUMBER',
    takes: '1, 3 or 5',
    help: 'on how many NATS servers everything is stored before it counts; unless set, 3 if so many are named, else 1',
  }),
  /** Whether to go on after a loss of stored messages, with a new epoch, instead of refusing to start. */
  acceptLoss: toggle().optional().register(descriptions, {
    value: '',
    takes: 'true or false',
    help: 'start although stored messages are lost: begin a new epoch and tell every reader of the gap; remove it afterwards',
  }),
  /** Whether NATS servers before 2.10 may keep replicas. */
  allowUnsafeNats: toggle().optional().register(descriptions, {
    value: '',
    takes: 'true or false',
    help: 'use replicas on NATS servers before 2.10, which can lose acknowledged messages',
  }),
  /** What tokens and cursors are signed with. Undefined: the data folder keeps one. Never print or log it. */
  secret: z.string().min(32).optional().register(descriptions, {
    value: 'SECRET',
    takes: 'at least 32 characters',
    help: 'what tokens and cursors are signed with, better given as a variable; unless set, the data folder keeps one',
  }),
  /** How long a client without a stream stays, in seconds; may have a fraction. */
  grace: seconds(0, 604_800).prefault('60').register(descriptions, {
    value: 'SECONDS',
    takes: 'seconds from 0 to 604800',
    help: 'how long a client without a stream stays, with its mailbox',
  }),
  /** The time between two heartbeats of a stream, in seconds; may have a fraction. */
  heartbeat: seconds(0.1, 3_600).prefault('15').register(descriptions, {
    value: 'SECONDS',
    takes: 'seconds from 0.1 to 3600',
    help: 'the time between two heartbeats of a stream',
  }),
  /** The largest request body, in bytes. */
  maxBody: wholeNumber(1_024, 16_777_216).prefault('65536').register(descriptions, {
    value: 'BYTES',
    takes: 'a whole number of bytes from 1024 to 16777216',
    help: 'the largest body of a request',
  }),
  /** How many bytes may wait for a stream that does not read before it is cut off. */
  slowLimit: wholeNumber(1_024, 1_073_741_824).prefault('1048576').register(descriptions, {
    value: 'BYTES',
    takes: 'a whole number of bytes from 1024 to 1073741824',
    help: 'how much may wait for a stream that does not read before it is cut off',
  }),
  /** How many bytes may wait for all streams together. Undefined: what {@link shareOfMemory} says. */
  streamMemory: wholeNumber(1_048_576, 1_099_511_627_776).optional().register(descriptions, {
    value: 'BYTES',
    takes: 'a whole number of bytes from 1048576 to 1099511627776',
    help: 'how much may wait for all streams together; unless set, an eighth of the memory there is, 268435456 at the most',
  }),
  /** How many bytes the requests under way may hold together. Undefined: what {@link shareOfMemory} says. */
  requestMemory: wholeNumber(1_048_576, 1_099_511_627_776).optional().register(descriptions, {
    value: 'BYTES',
    takes: 'a whole number of bytes from 1048576 to 1099511627776',
    help: 'how much all requests under way may hold before others get 503; unless set, as stream-memory',
  }),
  /** In how many seconds a request must have come in whole, and for how long nothing of an answer may be taken; may have a fraction. */
  requestTimeout: seconds(1, 3_600).prefault('30').register(descriptions, {
    value: 'SECONDS',
    takes: 'seconds from 1 to 3600',
    help: 'how long a request may take to come in, and an answer may wait to be taken',
  }),
  /** How many messages a mailbox or a room keeps. */
  keepMessages: wholeNumber(1, 1_000_000_000).prefault('10000').register(descriptions, {
    value: 'NUMBER',
    takes: 'a whole number from 1 to 1000000000',
    help: 'how many messages a mailbox or a room keeps',
  }),
  /** How long a mailbox or a room keeps a message, in days. */
  keepDays: wholeNumber(1, 36_500).prefault('7').register(descriptions, {
    value: 'DAYS',
    takes: 'a whole number of days from 1 to 36500',
    help: 'how long a mailbox or a room keeps a message',
  }),
  /** Requests a second that one address not on loopback may make; 0 stands for no limit. */
  rateLimit: wholeNumber(0, 1_000_000).prefault('100').register(descriptions, {
    value: 'NUMBER',
    takes: 'a whole number from 0 to 1000000',
    help: 'requests a second for each address that is not on loopback; 0 = no limit',
  }),
  /** The proxies whose `X-Forwarded-For` counts: addresses, CIDR ranges or the names Fastify's `trustProxy` takes. */
  trustProxy: list(proxy).prefault('').register(descriptions, {
    value: 'LIST',
    takes: 'addresses and CIDR ranges with commas between them, or loopback, linklocal, uniquelocal',
    help: 'the proxies whose X-Forwarded-For counts, such as 10.0.0.0/8,loopback; none unless set',
  }),
  /** The foreign origins whose pages may use the server, each as a browser's `Origin` header spells it. */
  corsOrigins: list(origin).prefault('').register(descriptions, {
    value: 'LIST',
    takes: 'exact origins with commas between them, scheme://host[:port] each, without path or wildcard',
    help: 'other origins whose pages may use the server, such as https://app.example',
  }),
  /** Who may connect. */
  access: z.enum(['open', 'members']).prefault('open').register(descriptions, {
    value: 'WHO',
    takes: 'open or members',
    help: 'open: anyone may connect; members: only who has an account, a key or a token of the identity provider',
  }),
  /** Who may make an account. */
  registration: z.enum(['closed', 'open']).prefault('closed').register(descriptions, {
    value: 'WHO',
    takes: 'closed or open',
    help: 'whether anyone may make an account: open or closed',
  }),
  /** Where an identity provider publishes the keys that its tokens are checked with. */
  jwtJwks: z.string().refine(isPlainHttpUrl).optional().register(descriptions, {
    value: 'URL',
    takes: 'an http or https URL, without user or password',
    help: 'the JWKS of an identity provider, whose tokens (JWT) are then accepted',
  }),
  /** What an identity provider shares with this server instead. Never print or log it. */
  jwtSecret: z.string().min(32).optional().register(descriptions, {
    value: 'SECRET',
    takes: 'at least 32 characters',
    help: 'instead of a JWKS: the secret that tokens are checked with, better given as a variable',
  }),
  /** What the claim `iss` of a token has to be, to the letter. */
  jwtIssuer: text(1, 255).optional().register(descriptions, {
    value: 'ISSUER',
    takes: 'a text of 1 to 255 characters',
    help: 'the issuer (iss) whose tokens are accepted, to the letter',
  }),
  /** What the claim `aud` of a token has to be or to contain, to the letter. */
  jwtAudience: text(1, 255).optional().register(descriptions, {
    value: 'AUDIENCE',
    takes: 'a text of 1 to 255 characters',
    help: 'the audience (aud) that tokens have to be for, to the letter',
  }),
  /** How a token may be signed. Undefined or empty: what {@link jwtSettings} says. */
  jwtAlgorithms: list(algorithm)
    .optional()
    .register(descriptions, {
      value: 'LIST',
      takes: `names with commas between them, of ${[...ASYMMETRIC_ALGORITHMS, ...SECRET_BYTES.keys()].join(', ')}`,
      help: 'how tokens may be signed; unless set, RS*, PS*, ES* and EdDSA with a JWKS, HS256 with a secret',
    }),
  /** By how many seconds the clocks of the identity provider and of this server may differ; may have a fraction. */
  jwtSkew: seconds(0, 300).prefault('30').register(descriptions, {
    value: 'SECONDS',
    takes: 'seconds from 0 to 300',
    help: 'by how much the clock of the identity provider may differ',
  }),
  /** The claim that has the name of a client. */
  jwtNameClaim: text(1, 255).prefault('name').register(descriptions, {
    value: 'CLAIM',
    takes: 'a text of 1 to 255 characters',
    help: 'the claim of a token that has the name of a client',
  }),
  /** The claim that has what its bearer may do. */
  jwtPermissionsClaim: text(1, 255).prefault('permissions').register(descriptions, {
    value: 'CLAIM',
    takes: 'a text of 1 to 255 characters',
    help: 'the claim of a token that says what its bearer may do: a list, or a text with spaces',
  }),
  /** The least severe lines the log shows. */
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .prefault('info')
    .register(descriptions, {
      value: 'LEVEL',
      takes: 'trace, debug, info, warn, error, fatal or silent',
      help: 'the least severe lines the log shows, from trace to fatal; or silent',
    }),
});

/** The settings of `interchat serve`, checked. */
export type Config = Readonly<z.output<typeof settings>>;

type Key = keyof Config;

/** Which engine, and where: what the commands take that open one without serving it. */
const engineSettings = settings.pick({ data: true, engine: true, replicas: true, allowUnsafeNats: true });

/** The settings of `interchat export` and `interchat import`, checked. */
export type EngineConfig = Readonly<z.output<typeof engineSettings>>;

/** A setting as given, before it is checked. */
interface Given {
  readonly text: string;
  /** The flag or the variable it came from, named in a refusal. */
  readonly source: string;
}

const keys = settings.keyof().options;
const engineKeys = engineSettings.keyof().options;
const variables = new Map(keys.map((key) => [variableName(key), key]));

/**
 * Reads the settings of `interchat serve`: flags, then `INTERCHAT_*` variables, then defaults. An empty variable is as
 * good as none; of a flag given twice, the last counts.
 *
 * @param args what follows `serve` on the command line
 * @throws ConfigError for a setting that is unknown or out of range
 */
export function readConfig(args: string[], env: NodeJS.ProcessEnv): Config {
  const { given, positionals } = read('serve', keys, args, env);
  if (positionals[0] !== undefined) {
    throw new ConfigError(`Unexpected argument ${quote(positionals[0])}: interchat serve takes flags alone.`);
  }
  const config = check(settings, given);
  const source = (key: Key) => given.get(key)?.source ?? dashed(flagName(key));
  checkMemory(config, source);
  checkJwt(config, source);
  return config;
}

/** Bytes of memory that one of its limits has where it is not set: a part of what this machine, or its container, has. */
export function shareOfMemory(): number {
  const there = Math.min(totalmem(), process.constrainedMemory() || Infinity);
  return Math.min(LARGEST_SHARE, Math.floor(there / 8));
}

/** How tokens of an identity provider are checked; undefined where none is accepted. */
export function jwtSettings(config: Config): JwtSettings | undefined {
  const { jwtJwks: jwks, jwtSecret: secret, jwtIssuer: issuer, jwtAudience: audience, jwtSkew: skew } = config;
  if ((jwks ?? secret) === undefined || issuer === undefined || audience === undefined) return undefined;
  const unlessSet = jwks === undefined ? SECRET_ALGORITHMS_UNLESS_SET : ASYMMETRIC_ALGORITHMS;
  return {
    ...(jwks === undefined ? { secret } : { jwks }),
    issuer,
    audience,
    algorithms: config.jwtAlgorithms?.length ? config.jwtAlgorithms : unlessSet,
    skew,
    nameClaim: config.jwtNameClaim,
    permissionsClaim: config.jwtPermissionsClaim,
  };
}

/** Refuses a limit for all requests under which one could be refused for ever. @param source as in {@link checkJwt} */
function checkMemory({ requestMemory, maxBody }: Config, source: (key: Key) => string): void {
  if (requestMemory === undefined || requestMemory >= 2 * maxBody) return;
  throw new ConfigError(
    `${source('requestMemory')}: ${requestMemory} is not accepted, it has to be at least twice ${source('maxBody')} (${maxBody}).`,
  );
}

/**
 * Refuses settings of which each is right, but which cannot work together.
 * @param source what a setting came from, or how one would give it
 */
function checkJwt(config: Config, source: (key: Key) => string): void {
  const { jwtJwks, jwtSecret, jwtAlgorithms: algorithms = [] } = config;
  if (jwtJwks !== undefined && jwtSecret !== undefined) {
    throw new ConfigError(`${source('jwtJwks')} and ${source('jwtSecret')} exclude each other: leave one of them out.`);
  }
  const key = jwtJwks === undefined ? 'jwtSecret' : 'jwtJwks';
  if (config[key] === undefined) {
    const given = (['jwtIssuer', 'jwtAudience'] as const).find((key) => config[key] !== undefined);
    const vain = given ?? (algorithms.length > 0 ? 'jwtAlgorithms' : undefined);
    if (vain === undefined) return;
    throw new ConfigError(`${source(vain)} needs ${source('jwtJwks')} or ${source('jwtSecret')} beside it.`);
  }
  for (const needed of ['jwtIssuer', 'jwtAudience'] as const) {
    if (config[needed] === undefined) throw new ConfigError(`${source(key)} needs ${source(needed)} beside it.`);
  }
  for (const name of algorithms) {
    const bytes = SECRET_BYTES.get(name);
    // A public key that counts as a secret would let anybody in who can read it (RFC 8725, section 2.1).
    if ((bytes === undefined) === (key === 'jwtSecret')) {
      const fit = key === 'jwtSecret' ? [...SECRET_BYTES.keys()] : ASYMMETRIC_ALGORITHMS;
      throw new ConfigError(
        `${source('jwtAlgorithms')}: ${name} is not accepted with ${source(key)}, it takes ${fit.join(', ')}.`,
      );
    }
    if (bytes !== undefined && Buffer.byteLength(jwtSecret ?? '') < bytes) {
      throw new ConfigError(`${source('jwtSecret')} is too short for ${name}, which takes at least ${bytes} bytes.`);
    }
  }
}

/**
 * Reads, in the same way, which engine a command is to open. Variables of other settings may be set.
 *
 * @param command what stands before `args` on the command line
 * @throws ConfigError for a setting that is unknown or out of range
 */
export function readEngineConfig(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv,
): { readonly config: EngineConfig; readonly positionals: readonly string[] } {
  const { given, positionals } = read(command, engineKeys, args, env);
  return { config: check(engineSettings, given), positionals };
}

function check<Settings extends z.ZodObject>(schema: Settings, given: ReadonlyMap<Key, Given>): z.output<Settings> {
  const parsed = schema.safeParse(Object.fromEntries([...given].map(([key, { text }]) => [key, text])), {
    reportInput: true,
  });
  if (parsed.success) return parsed.data;

  const issue = parsed.error.issues[0];
  const key = settings.keyof().parse(issue?.path[0]);
  const source = given.get(key)?.source ?? key;
  // A secret in a terminal or a log is no secret any more; an address may have a password.
  const hasPassword = (key === 'engine' || key === 'jwtJwks') && String(issue?.input).includes('@');
  const isSecret = key === 'secret' || key === 'jwtSecret' || hasPassword;
  const value = isSecret ? 'the value given' : quote(String(issue?.input));
  throw new ConfigError(`${source}: ${value} is not accepted, it takes ${describe(key).takes}.`);
}

/** The help text of `interchat serve`, without a line break at its end. */
export function configHelp(): string {
  return [
    'Usage: interchat serve [--NAME VALUE]…',
    '',
    'Starts the server. Each setting is a flag or a variable: --max-body is INTERCHAT_MAX_BODY.',
    'Flags come before variables, variables before defaults, which stand in brackets.',
    '',
    helpLines(keys),
  ].join('\n');
}

/** The lines of the help that tell the settings of {@link readEngineConfig}. */
export function engineConfigHelp(): string {
  return helpLines(engineKeys);
}

function helpLines(keys: readonly Key[]): string {
  const left = keys.map((key) => `  ${usage(key)}`);
  const width = Math.max(...left.map((text) => text.length)) + 2;
  return keys
    .map((key, at) => {
      const preset = defaultOf(key);
      return `${left[at]?.padEnd(width)}${describe(key).help}${preset === '' ? '' : ` [${preset}]`}`;
    })
    .join('\n');
}

/** The settings as the lines of a Markdown table: flag, variable, default, meaning. */
export function configTable(): string {
  const rows = keys.map((key) => {
    const preset = defaultOf(key);
    return `| \`${usage(key)}\` | \`${variableName(key)}\` | ${preset === '' ? '' : `\`${preset}\``} | ${describe(key).help} |`;
  });
  return ['| flag | variable | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** What is given of these settings, and what is no flag. */
function read(
  command: string,
  takes: readonly Key[],
  args: string[],
  env: NodeJS.ProcessEnv,
): { readonly given: ReadonlyMap<Key, Given>; readonly positionals: readonly string[] } {
  const given = new Map([...fromVariables(command, env)].filter(([key]) => takes.includes(key)));
  const flags = new Map(takes.map((key) => [flagName(key), key]));
  const options = Object.fromEntries(
    [...flags].map(([name, key]) => [name, { type: isSwitch(key) ? ('boolean' as const) : ('string' as const) }]),
  );
  const positionals: string[] = [];
  // Not `strict`: its errors name neither what is accepted nor the nearest flag. The tokens tell everything it checks.
  for (const token of parseArgs({ args, options, strict: false, tokens: true }).tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      positionals.push(token.value);
      continue;
    }
    const key = flags.get(token.name);
    if (key === undefined || !token.rawName.startsWith('--')) {
      const known = [...flags.keys()].map(dashed);
      throw new ConfigError(`Unknown flag ${token.rawName}${suggestion(token.rawName, known, '--', command)}`);
    }
    if (isSwitch(key)) {
      given.set(key, { text: token.value ?? 'true', source: token.rawName });
      continue;
    }
    // `--data --port 80` is a forgotten value, not a folder with the name "--port".
    if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--'))) {
      throw new ConfigError(`${token.rawName} needs a value, it takes ${describe(key).takes}.`);
    }
    given.set(key, { text: token.value, source: token.rawName });
  }
  return { given, positionals };
}

function* fromVariables(command: string, env: NodeJS.ProcessEnv): Generator<[Key, Given]> {
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('INTERCHAT_') || text === undefined || text === '' || CLIENT_VARIABLES.includes(name))
      continue;
    const key = variables.get(name);
    if (key === undefined)
      throw new ConfigError(`Unknown variable ${name}${suggestion(name, variables.keys(), 'INTERCHAT_', command)}`);
    yield [key, { text, source: name }];
  }
}

function describe(key: Key): Description {
  const description = descriptions.get(settings.shape[key]);
  if (description === undefined) throw new Error(`The setting ${key} is not described.`);
  return description;
}

function isSwitch(key: Key): boolean {
  return describe(key).value === '';
}

/** The flag and what stands for its value. */
function usage(key: Key): string {
  return `${dashed(flagName(key))} ${describe(key).value}`.trimEnd();
}

/** The default as one would type it; empty where there is none. */
function defaultOf(key: Key): string {
  const schema = settings.shape[key];
  return schema instanceof z.ZodPrefault ? String(schema.def.defaultValue) : '';
}

function flagName(key: Key): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function variableName(key: Key): string {
  return `INTERCHAT_${flagName(key).replaceAll('-', '_').toUpperCase()}`;
}

function dashed(name: string): string {
  return `--${name}`;
}

/** Text from outside in quotes: on one line and not without end. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);
}

/** Printable, and without space at either end, which would be there by mistake. */
function text(least: number, most: number) {
  return z
    .string()
    .min(least)
    .max(most)
    .regex(/^(?!\s)[^\p{Cc}\p{Zl}\p{Zp}]*(?<!\s)$/u);
}

function wholeNumber(least: number, most: number) {
  return z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(least).max(most));
}

function toggle() {
  return z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1');
}

function seconds(least: number, most: number) {
  return z
    .string()
    .regex(/^\d+(\.\d+)?$/)
    .transform(Number)
    .pipe(z.number().min(least).max(most));
}

/** Items with commas between them. `read` gives an item in its usual form, or undefined if it is wrong. */
function list(read: (item: string) => string | undefined) {
  return z.string().transform((text, context) => {
    const items = text.split(',').map((item) => item.trim());
    return items
      .filter((item) => item !== '')
      .map((item) => {
        const usual = read(item);
        if (usual === undefined) context.addIssue({ code: 'custom', input: item });
        return usual ?? '';
      });
  });
}

/** An algorithm by which a token may be signed, as RFC 7518 spells it; `none` is no such. */
function algorithm(item: string): string | undefined {
  return ASYMMETRIC_ALGORITHMS.includes(item) || SECRET_BYTES.has(item) ? item : undefined;
}

function isPlainHttpUrl(text: string): boolean {
  if (!/^https?:\/\/[^\s]+$/i.test(text) || !URL.canParse(text)) return false;
  const { username, password, hash } = new URL(text);
  // fetch takes no address with a password.
  return username === '' && password === '' && hash === '';
}

function proxy(item: string): string | undefined {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(item)) return item;
  // A range of everybody is none: whoever sends X-Forwarded-For could then choose its own address.
  return parseRange(item) ? item : undefined;
}

/** An origin as a browser sends it: in small letters, without the scheme's own port (RFC 6454, section 6.2). */
function origin(item: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#@*\s]+$/i.test(item) || !URL.canParse(item)) return undefined;
  const { protocol, host } = new URL(item);
  return `${protocol}//${host}`;
}

/** Ends a refusal of a name: with the one that was probably meant, if one is near. `prefix` stands before each of them. */
function suggestion(name: string, known: Iterable<string>, prefix: string, command: string): string {
  const [nearest] = [...known]
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .filter(({ candidate, distance }) => distance <= (candidate.length - prefix.length) / 2)
    .sort((a, b) => a.distance - b.distance);
  return `${nearest === undefined ? '.' : `: did you mean ${nearest.candidate}?`} See interchat ${command} --help.`;
}

/** How many letters have to be put in, left out or changed to make `a` into `b` (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
