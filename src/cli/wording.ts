import type {
  Client,
  ClientInfo,
  Deleted,
  Destination,
  Invited,
  Message,
  Presence,
  RoomInfo,
  WhoAmI,
} from '../sdk/index.js';
import { ProblemError } from '../sdk/errors.js';
import { colored, dimmed } from './color.js';
import { timeOf } from './time.js';
import { visible, visibleJson } from './visible.js';

/** How messages are shown. */
export interface Look {
  /** Each name in a colour of its own. */
  readonly colors: boolean;
  /** When each was sent. */
  readonly timestamps: boolean;
}

/** As a program expects it. */
const PLAIN: Look = { colors: false, timestamps: false };

/** A client in a list, on one line. */
export function clientLine({ index, name, socket }: ClientInfo): string {
  const line = socket === null ? `Client ${index} is away.` : `Client ${index} is at socket ${socket}.`;
  return visible(name === null ? line : `${line} (${name})`);
}

/**
 * A message for people. Further lines of its text are indented, so that none of them can pass for a message of somebody
 * else.
 */
export function messageLines({ from, to, text, data, sentAt }: Message, { colors, timestamps }: Look = PLAIN): string {
  const parts = [];
  if (text !== undefined) {
    parts.push(
      text
        .split(/\r\n|\n|\r/)
        .map(visible)
        .join('\n  '),
    );
  }
  if (data !== undefined) parts.push(visibleJson(data));
  const who = colors && from !== null ? colored(party(from), from.name ?? String(from.index)) : sender(from);
  const time = timestamps ? `${timeOf(sentAt)} ` : '';
  return `${colors && timestamps ? dimmed(time) : time}${who}${where(to)}: ${parts.join(' ')}`;
}

/** A room in a list, on one line. */
export function roomLine({ name, members, online, private: isPrivate }: RoomInfo): string {
  return visible(`#${name}: ${count(members, 'member')}, ${online} online${isPrivate ? ', private' : ''}.`);
}

/** That a message is no longer there, on one line. */
export function deletedLine({ id, to }: Pick<Deleted, 'id' | 'to'>): string {
  return visible(`Message ${id}${where(to)} was deleted.`);
}

/** That a client is connected; and as whom, where it has signed in. */
export function connectedLine({ index, name, isSignedIn }: Pick<Client, 'index' | 'name' | 'isSignedIn'>): string {
  return visible(`Client ${index} connected${isSignedIn && name !== null ? ` as ${name}` : ''}.`);
}

/** An invitation, on one line. */
export function invitedLine({ room, by: { index, name } }: Invited): string {
  return visible(`${name ?? `Client ${index}`} invites you to #${room}: JOIN ${room}`);
}

const KINDS: Readonly<Record<WhoAmI['kind'], string>> = {
  none: 'without a credential',
  client: 'without an account',
  account: 'signed in with an account',
  key: 'by a key',
  jwt: 'by the identity provider',
  operator: 'by the secret of the server',
};

/** Who one is, and what one may do. */
export function whoLines({ kind, name, client, may, expiresAt }: WhoAmI): string {
  const nobody = kind === 'operator' ? 'the operator' : 'nobody';
  const who = client === null ? nobody : `Client ${client.index}${name === null ? '' : ` (${name})`}`;
  const until = expiresAt === null ? '' : `, until ${timeOf(expiresAt)}`;
  return `${visible(`You are ${who}, ${KINDS[kind] ?? kind}${until}.`)}\n${visible(`You may ${mayText(may)}.`)}`;
}

/** What somebody may do. */
export function mayText(may: readonly string[]): string {
  if (may.includes('admin')) return 'do everything';
  return may.length === 0 ? 'do nothing' : may.join(', ');
}

const CHANGES: Readonly<Record<Presence['change'], string>> = {
  joined: 'joined',
  away: 'is away',
  back: 'is back',
  left: 'left',
  renamed: 'has another name now',
  entered: 'entered',
  exited: 'left',
};

/** A change of somebody, on one line. */
export function presenceLine({ change, client, room }: Presence): string {
  const what = CHANGES[change] ?? visible(change);
  return `${party(client)} ${what}${room === undefined ? '' : ` #${visible(room)}`}.`;
}

/** An error for people; on several lines if its message is. */
export function errorLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const inputs = error instanceof ProblemError ? error.errors.map(({ path, message }) => `${path} ${message}`) : [];
  const whole = inputs.length > 0 ? `${message} (${inputs.join('; ')})` : message;
  return whole.split('\n').map(visible).join('\n');
}

/** So many of something: `1 message`, `2 messages`. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

function sender(from: Message['from']): string {
  return from === null ? 'Somebody' : party(from);
}

function party({ index, name }: { readonly index: number; readonly name: string | null }): string {
  // What should be a number, too: a server may be anybody's.
  return visible(name === null ? `Client ${index}` : `Client ${index} (${name})`);
}

/** Where it was said; what came to oneself alone needs no saying. */
function where(to: Destination): string {
  if ('room' in to) return ` in #${visible(to.room)}`;
  return 'everyone' in to ? ' to everyone' : '';
}
