import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, type EngineConfig, readEngineConfig } from '../config.js';
import { EngineUnusable } from '../engine/engine.js';
import { isInUse } from '../engine/lmdb/lock.js';
import { readSecret } from '../engine/lmdb/secret.js';
import { FILE } from '../engine/lmdb/store.js';
import { operatorToken } from '../hub/credentials.js';
import { type Accounts, InterChat, type Keys, type Moderation, ProblemError, Unreachable } from '../sdk/index.js';
import { findCredential, isOver } from './credential.js';
import { CommandError, ExitCode, UsageError } from './exit-code.js';
import { type CommandLine, type OptionName, serverUrl } from './options.js';
import { visible } from './visible.js';

/** What the commands take that keep order in a house. */
export const OFFICE_OPTIONS = ['url', 'token', 'timeout', 'data', 'engine', 'secret'] as const satisfies OptionName[];

/** Of the help of each of them. */
export const OFFICE_HELP = [
  'Whoever runs the server needs no credential for this: on its machine, as the user that it runs as, the data folder will do',
  '(--data), whether the server runs or not; from elsewhere, its secret and its URL. All others take --token or interchat login,',
  'and the permission admin.',
].join('\n');

/** Where accounts and keys are kept, and order: over HTTP, or in a data folder that no server uses. */
export interface Office {
  readonly accounts: Pick<Accounts, keyof Accounts>;
  readonly keys: Pick<Keys, keyof Keys>;
  readonly moderation: Pick<Moderation, 'ban' | 'bans' | 'liftBan' | 'audit'>;
  /** Where it is done, in words; undefined where that is a server. */
  readonly place?: string;
  /** Whether it is somebody who has signed in, or shows a credential, rather than whoever runs the server. */
  readonly isPersonal: boolean;
  /** The API, where it is a server. */
  readonly api?: InterChat;
  close(): Promise<void>;
}

type Given = Pick<CommandLine<(typeof OFFICE_OPTIONS)[number]>, 'settings' | 'isGiven'>;

/**
 * Does something where order is kept: with the credential that was given, or by which one has signed in; else as the operator.
 * @param makes whether there need not be a data folder yet
 * @throws CommandError that says what to do where there is no way
 */
export async function inOffice<T>(given: Given, makes: boolean, act: (office: Office) => Promise<T>): Promise<T> {
  const { settings, isGiven } = given;
  const url = isGiven('url') ? settings.url : localUrl(process.env);
  const { timeout } = settings;
  const { token, stored } = await findCredential(url, settings.token);
  if (token !== undefined) {
    try {
      return await act(overHttp(url, token, timeout, true));
    } catch (error) {
      const hint = stored && hintFor(error, stored.name);
      if (hint === undefined) throw error;
      throw new CommandError(hint, ExitCode.noCredential);
    }
  }
  const config = engineConfig(settings);
  const isThere = existsSync(join(config.data, FILE));
  if (config.engine === 'lmdb' && !isGiven('url') && !(isThere && (await isFolderInUse(config.data)))) {
    if (!isThere && !makes) throw nothingThere(config.data);
    const { folderOffice } = await import('./folder-office.js');
    const office = folderOffice(config.data, settings.secret);
    try {
      return await act(office);
    } finally {
      await office.close();
    }
  }
  const secret = settings.secret ?? (await keptSecret(config));
  try {
    return await act(overHttp(url, operatorToken(secret), timeout, false));
  } catch (error) {
    throw explained(error, url, config);
  }
}

/** The API of the server. @throws CommandError where none runs */
export function needServer({ api, place }: Office): InterChat {
  if (api) return api;
  throw new CommandError(`No server runs on ${place}: start it, or give its --url.`, ExitCode.unreachable);
}

function overHttp(url: string, token: string, timeout: number | undefined, isPersonal: boolean): Office {
  const api = new InterChat(url, { token, timeout, retries: 0 });
  const { accounts, keys, moderation } = api;
  return { accounts, keys, moderation, api, isPersonal, close: async () => undefined };
}

/** Where a server on this machine listens that has the same variables. */
export function localUrl({ INTERCHAT_HOST: host, INTERCHAT_PORT: port }: NodeJS.ProcessEnv): string {
  // 0 is any free port, which nobody knows from here.
  const known = port && /^[1-9]\d{0,4}$/.test(port) ? port : '8080';
  const name = !host || ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
  return serverUrl(`http://${name.includes(':') ? `[${name}]` : name}:${known}`);
}

function engineConfig({ data, engine, secret }: Given['settings']): EngineConfig {
  if (secret !== undefined && secret.length < 32) throw new UsageError('--secret takes at least 32 characters.');
  try {
    return readEngineConfig('account', [], { INTERCHAT_DATA: data, INTERCHAT_ENGINE: engine }).config;
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message);
    throw error;
  }
}

/** Whether a server has this folder, which is there, for itself. */
async function isFolderInUse(folder: string): Promise<boolean> {
  try {
    return await isInUse(folder);
  } catch (error) {
    throw new CommandError(
      `The data folder ${folder} cannot be used: ${(error as Error).message}. Do this as the user that the server runs as, or sign in: interchat login`,
      ExitCode.noCredential,
    );
  }
}

/** What the server on this machine signs with, where it keeps that itself. @throws CommandError */
async function keptSecret({ engine, data }: EngineConfig): Promise<Buffer> {
  const otherwise = 'Give its secret as INTERCHAT_SECRET, or a credential: --token, or interchat login';
  if (engine !== 'lmdb') {
    throw new CommandError(
      `With NATS this takes a server that runs, and what it signs with. ${otherwise}`,
      ExitCode.noCredential,
    );
  }
  let secret: Buffer | undefined;
  try {
    secret = await readSecret(data);
  } catch (error) {
    if (error instanceof EngineUnusable) throw new CommandError(`${error.message} ${otherwise}`, ExitCode.noCredential);
    throw error;
  }
  if (secret) return secret;
  throw new CommandError(`The data folder ${data} keeps no secret of a server. ${otherwise}`, ExitCode.noCredential);
}

function nothingThere(folder: string): CommandError {
  return new CommandError(
    `There is no data of InterChat in ${folder}. Give the folder of the server, --data or INTERCHAT_DATA; its --url with a --token or its secret (INTERCHAT_SECRET); or sign in: interchat login`,
    ExitCode.noCredential,
  );
}

/** What went wrong on the way of the operator. */
function explained(error: unknown, url: string, { data, engine }: EngineConfig): unknown {
  if (error instanceof ProblemError && error.status === 401) {
    const kept = engine === 'lmdb' ? `that ${data} keeps, or that was given` : 'that was given';
    return new CommandError(
      `${url} does not take the secret ${kept}. Give that of its server: --data, or INTERCHAT_SECRET.`,
      ExitCode.noCredential,
    );
  }
  if (error instanceof Unreachable) {
    return new CommandError(
      `${error.message} Say where its server listens: --url, INTERCHAT_URL or INTERCHAT_PORT.`,
      ExitCode.unreachable,
    );
  }
  return error;
}

/** What to do about a session of `interchat login` that will not do. */
function hintFor(error: unknown, name: string): string | undefined {
  const who = visible(name);
  if (isOver(error)) return `The session of ${who} is over: sign in again: interchat login`;
  if (!(error instanceof ProblemError) || error.permission !== 'admin') return undefined;
  return `You are signed in as ${who}, who may not do this: it takes the permission admin. Whoever runs the server need not be signed in: interchat logout`;
}
