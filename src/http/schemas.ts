import { z } from 'zod';
import { isPermission, MOST_PERMISSIONS, PERMISSION_RULE } from '../hub/access/permissions.js';
import { isClientName } from '../hub/client-name.js';
import { TextBody } from './bodies.js';
import { PROBLEM_CODES } from './problem.js';

/*
 * The shapes of the API, each said once: requests are validated by them, types come from them, and the OpenAPI document is
 * made of them. Those with an `id` are its components.
 */

/** A number written in decimal, as query strings and paths have it. */
function whole(least: number, most: number, what: string) {
  return z.preprocess(
    (text) => (typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : text),
    z.number({ error: what }).int({ error: what }).min(least, { error: what }).max(most, { error: what }),
  );
}

const INDEX_MOST = 999_999_999_999_999;

export const clientIndex = z
  .number()
  .int()
  .min(1)
  .meta({ description: 'Names a client for ever: handed out in order of connection, never twice.', examples: [2] });

export const clientName = z
  .string({ error: 'must be a text of 1 to 64 printable characters' })
  // Not as a pattern of the document: not everything that reads one knows \p{…}, and would refuse every name.
  .refine(isClientName, { error: 'must be 1 to 64 printable characters, with no space at either end' })
  .meta({
    description: '1 to 64 printable characters, with no space at either end. Names need not be unique.',
    minLength: 1,
    maxLength: 64,
    examples: ['alice'],
  });

const time = z.iso.datetime().meta({ examples: ['2026-01-31T12:00:00.000Z'] });

const ROOM = /^[A-Za-z0-9_-]{1,64}$/;
const ROOM_RULE = 'must be the name of a room: 1 to 64 of A-Z, a-z, 0-9, _ and -';

export const roomName = z
  .string({ error: ROOM_RULE })
  .regex(ROOM, { error: ROOM_RULE })
  .meta({ description: 'The name of a room: 1 to 64 of `A-Z a-z 0-9 _ -`.', examples: ['lobby'] });

/** The most rooms that can be named at once: as many as a client may be in. */
const ROOMS_MOST = 100;

export const cursorText = z.string().meta({
  description:
    'Opaque: says how far a stream has read and whose stream it is. It lets whoever has it read on as that client, so keep it as secret as the token.',
  examples: ['17.2.MAC'],
});

const tokenText = z.string().meta({
  description: 'The secret by which a client proves that it is that client: `Authorization: Bearer TOKEN`.',
  examples: ['ict_2_MAC'],
});

export const messageId = z
  .string()
  .regex(/^[1-9]\d*$/)
  .meta({
    description: 'The place of the message in the log, in decimal: of two messages, the later has the greater one.',
    examples: ['17'],
  });

export const Client = z
  .object({
    index: clientIndex,
    name: clientName.nullable(),
    status: z.enum(['online', 'away']).meta({ description: 'online while it has a stream open' }),
    socket: z
      .number()
      .int()
      .nullable()
      .meta({ description: 'The number of its newest open stream; null while it is away.', examples: [4] }),
    streams: z
      .number()
      .int()
      .min(0)
      .meta({ description: 'How many streams it has open.', examples: [1] }),
    connectedAt: time,
    lastSeenAt: time.meta({ description: 'When it was last known to be there; for a client that is online, now.' }),
    rooms: z.array(z.string()).meta({ description: 'The rooms it is in, by name.', examples: [['lobby']] }),
  })
  .meta({ id: 'Client', description: 'A party that can be listed and sent to.' });

export const ClientList = z
  .object({
    clients: z.array(Client),
    total: z
      .number()
      .int()
      .min(0)
      .meta({ description: 'How many match, on all pages.', examples: [1] }),
    next: z
      .string()
      .nullable()
      .meta({ description: 'The path of the next page; null on the last one.', examples: [null] }),
  })
  .meta({ id: 'ClientList', description: 'A page of the clients there are, by index.' });

export const NewClient = z
  .strictObject({
    name: clientName.optional(),
    rooms: z
      .array(roomName, { error: 'must be a list of names of rooms' })
      .max(ROOMS_MOST, { error: `must be at most ${ROOMS_MOST} rooms` })
      .optional()
      .meta({ description: 'Rooms it enters at once.', examples: [['lobby']] }),
  })
  .meta({ id: 'NewClient', description: 'A client to be made.' });

export const Renamed = z
  .strictObject({ name: clientName })
  .meta({ id: 'Renamed', description: 'The new name of a client.' });

const ownToken = tokenText.nullable().meta({
  description:
    'The secret by which a client proves that it is that client: `Authorization: Bearer TOKEN`. Null for the client of an account, a key or an identity, whose own credential does that.',
});

export const Admission = z.object({ client: Client, token: ownToken, cursor: cursorText }).meta({
  id: 'Admission',
  description: 'A client and the secrets that are its own. Nobody is ever told them again.',
});

/** The longest a message may live, in seconds: a hundred years. */
const TTL_MOST = 3_155_760_000;

const data = z.unknown().meta({ description: 'Any JSON value.' });

const ttl = z
  .number({ error: 'must be a number of seconds' })
  .min(0, { error: 'must be 0 or more seconds' })
  .max(TTL_MOST, { error: `must be at most ${TTL_MOST} seconds` })
  .meta({
    description: 'Seconds after which it is no longer delivered. 0: only to streams open right now, never stored.',
  });

const content = {
  text: z.string({ error: 'must be a text' }).min(1, { error: 'must not be empty' }).optional(),
  data: data.optional(),
  ttl: ttl.optional(),
};

const hasContent = (message: { text?: string; data?: unknown }) =>
  message.text !== undefined || message.data !== undefined;

const NO_CONTENT = { path: ['text'], error: 'is missing: a message needs a text, or data, or both' };

export const NewMessage = z
  .strictObject(content)
  .refine(hasContent, NO_CONTENT)
  .meta({
    id: 'NewMessage',
    description: 'What to send: a text, any JSON value as data, or both.',
    examples: [{ text: 'Hello, Client 2!' }],
  });

const INDEX_RULE = 'must be the index of a client: a positive whole number';

const TARGET_RULE = 'must be {"client": INDEX}, {"room": NAME} or {"everyone": true}';

const target = z
  .union(
    [
      z.strictObject({
        client: z.number({ error: INDEX_RULE }).int({ error: INDEX_RULE }).min(1, { error: INDEX_RULE }),
      }),
      z.strictObject({ room: roomName }),
      z.strictObject({ everyone: z.literal(true) }),
    ],
    { error: TARGET_RULE },
  )
  .meta({ description: 'One client, all members of a room, or everyone.', examples: [{ room: 'lobby' }] });

export const AddressedMessage = z
  .strictObject({ to: target, ...content })
  .refine(hasContent, NO_CONTENT)
  .meta({
    id: 'AddressedMessage',
    description: 'What to send, and to whom.',
    examples: [{ to: { room: 'lobby' }, text: 'Hello, all!' }],
  });

/** A text/plain body stands for `{"text": TEXT}`, and that goes to everyone. */
export const MessageToAny = z.preprocess(
  (body) => (body instanceof TextBody ? { to: { everyone: true }, ...body } : body),
  AddressedMessage,
);

const idempotencyKey = z
  .string({ error: 'must be 1 to 255 visible ASCII characters' })
  .regex(/^[!-~]{1,255}$/, { error: 'must be 1 to 255 visible ASCII characters' });

export const BulkLine = z
  .strictObject({
    to: target,
    ...content,
    idempotencyKey: idempotencyKey
      .optional()
      .meta({ description: 'As the header of this name, for this line alone.', examples: ['order-17'] }),
  })
  .refine(hasContent, NO_CONTENT)
  .meta({ id: 'BulkLine', description: 'One line of many messages sent as application/x-ndjson.' });

const addressee = z
  .union([z.object({ client: clientIndex }), z.object({ room: roomName }), z.object({ everyone: z.literal(true) })])
  .meta({ description: 'To whom it was sent.', examples: [{ client: 2 }] });

export const Message = z
  .object({
    id: messageId.nullable().meta({ description: 'Null when it was never stored (ttl 0).' }),
    from: z
      .object({ index: clientIndex, name: clientName.nullable() })
      .nullable()
      .meta({ description: 'Who sent it, as its token proved; null when it came without one.' }),
    to: addressee,
    text: z.string().optional(),
    data: data.optional(),
    sentAt: time,
    expiresAt: time.optional().meta({ description: 'From then on it is no longer delivered.' }),
  })
  .meta({ id: 'Message', description: 'A message as its addressee gets it.' });

export const StreamMessage = Message.extend({
  late: z
    .literal(true)
    .optional()
    .meta({
      description:
        'The id is lower than one that this stream had before. On NATS a message can be late while a node stood still or servers changed ' +
        'their leader. It has not come before, unless the connection broke while it was on its way. All other ids of a stream ascend.',
    }),
}).meta({ id: 'StreamMessage', description: 'A message as a stream gives it.' });

export const SentMessage = Message.extend({
  reach: z
    .number()
    .int()
    .min(0)
    .meta({
      description: 'How many of those addressed are online now; the others get it when they return.',
      examples: [1],
    }),
}).meta({ id: 'SentMessage', description: 'A message as it was accepted: on disk, unless its ttl is 0.' });

export const MessagePage = z
  .object({
    messages: z.array(Message),
    cursor: cursorText,
    gap: z
      .boolean()
      .meta({ description: 'Whether messages between `after` and the first of these are no longer kept.' }),
  })
  .meta({ id: 'MessagePage', description: 'A part of a mailbox, in the order of the log.' });

export const HistoryPage = z
  .object({
    messages: z.array(Message),
    cursor: z.string().meta({ description: 'The `after` of the next call.', examples: ['17'] }),
    gap: z
      .boolean()
      .meta({ description: 'Whether messages between `after` and the first of these are no longer kept.' }),
  })
  .meta({
    id: 'HistoryPage',
    description: 'A part of what was sent to a room or to everyone, in the order of the log.',
  });

export const BulkResult = z
  .object({
    id: messageId.nullable().meta({ description: 'Null when it was not stored (ttl 0).' }),
    reach: z.number().int().min(0),
    replayed: z.literal(true).optional().meta({ description: 'Nothing was sent again.' }),
  })
  .meta({
    id: 'BulkResult',
    description:
      'What became of one line. A line that was refused has a Problem in its place, with its number as `line`.',
  });

export const Room = z
  .object({
    name: roomName,
    members: z
      .number()
      .int()
      .min(1)
      .meta({ description: 'How many clients are in it.', examples: [3] }),
    online: z
      .number()
      .int()
      .min(0)
      .meta({ description: 'How many of them have a stream open.', examples: [2] }),
    private: z
      .literal(true)
      .optional()
      .meta({ description: 'It is there to its members alone, and to those who are invited.' }),
    owner: clientIndex.optional().meta({ description: 'Whose private room it is.' }),
  })
  .meta({ id: 'Room', description: 'A named group of clients: there as long as it has members.' });

export const RoomList = z
  .object({
    rooms: z.array(Room),
    total: z
      .number()
      .int()
      .min(0)
      .meta({ description: 'How many there are, on all pages.', examples: [1] }),
    next: z
      .string()
      .nullable()
      .meta({ description: 'The path of the next page; null on the last one.', examples: [null] }),
  })
  .meta({ id: 'RoomList', description: 'A page of the rooms there are, by name.' });

const mark = z
  .string({ error: 'must be the id of a message: a text of digits' })
  .regex(/^\d{1,15}$/, { error: 'must be the id of a message: a text of digits' })
  .meta({ description: 'The id of the last message that was read.', examples: ['17'] });

export const ReadMarks = z
  .strictObject({ mailbox: mark.optional(), everyone: mark.optional(), rooms: z.record(roomName, mark).optional() })
  .meta({
    id: 'ReadMarks',
    description: 'How far a person has read. What is left out stays as it is, and no mark ever goes back.',
    examples: [{ mailbox: '17', rooms: { lobby: '21' } }],
  });

const count = z.number().int().min(0);

export const ReadState = z
  .object({
    mailbox: messageId.nullable(),
    everyone: messageId.nullable(),
    rooms: z.record(roomName, z.string()),
    unread: z
      .object({ mailbox: count, everyone: count, rooms: z.record(roomName, count) })
      .meta({ description: 'How many messages are behind each mark.' }),
  })
  .meta({
    id: 'ReadState',
    description:
      'How far a client has read, on whatever device, and how much is unread. Data of the event `read`, too.',
  });

export const Problem = z
  .object({
    type: z.string().meta({ examples: ['urn:interchat:problem:no-such-client'] }),
    title: z.string().meta({ examples: ['No such client'] }),
    status: z
      .number()
      .int()
      .meta({ examples: [404] }),
    detail: z.string().meta({ description: 'What is wrong, and what to do about it.' }),
    instance: z.string().meta({ description: 'The path that was asked for.', examples: ['/clients/7'] }),
    code: z.enum(PROBLEM_CODES).meta({ description: 'What programs may rely on.', examples: ['no-such-client'] }),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'For bad input: what is wrong with which field or parameter.' }),
    permission: z.string().optional().meta({ description: 'The permission that is missing, for 403.' }),
  })
  .meta({ id: 'Problem', description: 'An error (RFC 9457).' });

/* The events of a stream, as `data:` has them. */

export const WelcomeEvent = z
  .object({
    client: Client,
    token: ownToken,
    cursor: cursorText,
    resumed: z.boolean().meta({ description: 'Whether this is a client that was there before.' }),
    heartbeat: z.number().meta({ description: 'Seconds between two signs of life.', examples: [15] }),
    ignored: z
      .array(z.string())
      .optional()
      .meta({ description: 'Query parameters that are not known here, and had no effect.' }),
  })
  .meta({ id: 'WelcomeEvent', description: 'Data of the event `welcome`, always the first; its id is the cursor.' });

export const GapEvent = z
  .object({
    after: z.string().meta({ description: 'The place up to which this stream had read.', examples: ['17'] }),
    oldest: messageId.nullable().meta({ description: 'The oldest message that is still kept; null when none is.' }),
    to: addressee.optional().meta({ description: 'What they were sent to.' }),
  })
  .meta({
    id: 'GapEvent',
    description: 'Data of the event `gap`: messages between these two are no longer kept. It has no id.',
  });

export const PresenceEvent = z
  .object({
    change: z.enum(['joined', 'away', 'back', 'left', 'renamed', 'entered', 'exited']),
    client: Client.meta({ description: 'As it is now; as it was last, when it left.' }),
    room: roomName.optional().meta({ description: 'The room, where one was entered or exited.' }),
  })
  .meta({
    id: 'PresenceEvent',
    description:
      'Data of the event `presence`, for those who asked for it: what has changed since the last one about this client, also where that was ' +
      'undone meanwhile. So it may repeat what is known, and a client that `left` may be one that came and went within a second. To keep a list, ' +
      'open the stream, ask for `GET /clients`, and put the `client` of each event in its place, or take it out when it has `left`. It has no id.',
  });

export const ByeEvent = z
  .object({ reason: z.enum(['shutdown', 'left', 'slow-consumer', 'expired', 'removed', 'signed-out']) })
  .meta({ id: 'ByeEvent', description: 'Data of the event `bye`, the last one. It has no id.' });

export const DeletedEvent = z.object({ id: messageId, to: addressee }).meta({
  id: 'DeletedEvent',
  description: 'Data of the event `deleted`: this message is no longer there. Its id is the cursor behind it.',
});

export const InvitedEvent = z
  .object({ room: roomName, by: z.object({ index: clientIndex, name: clientName.nullable() }) })
  .meta({
    id: 'InvitedEvent',
    description: 'Data of the event `invited`: one may enter a private room. It has no id.',
  });

const line = <const Name extends string, Data extends z.ZodType>(event: Name, id: z.ZodType, value: Data) =>
  z.object({ event: z.literal(event), id, data: value });

export const StreamLine = z
  .union([
    line('welcome', cursorText, WelcomeEvent),
    line('message', cursorText.nullable(), StreamMessage),
    line('gap', z.null(), GapEvent),
    line('presence', z.null(), PresenceEvent),
    line('read', z.null(), ReadState),
    line('deleted', cursorText, DeletedEvent),
    line('invited', z.null(), InvitedEvent),
    line('bye', z.null(), ByeEvent),
    line('heartbeat', z.null(), z.null()),
  ])
  .meta({ id: 'StreamLine', description: 'One line of a stream as application/x-ndjson.' });

/* Accounts, sessions, keys, and keeping order. */

const permission = z
  .string({ error: PERMISSION_RULE })
  .refine(isPermission, { error: PERMISSION_RULE })
  .meta({
    description:
      '`connect`, `list`, `admin`, `send:TARGET` or `read:ROOM`; TARGET is `client/INDEX`, `room/NAME`, `everyone` or `*`, and `*` in a NAME or ROOM stands for any characters.',
    examples: ['send:room/alerts'],
  });

const permissions = z
  .array(permission, { error: 'must be a list of permissions' })
  .max(MOST_PERMISSIONS, { error: `must be at most ${MOST_PERMISSIONS} permissions` });

const heldPermissions = z
  .array(z.string())
  .meta({ description: 'What it may do.', examples: [['connect', 'list', 'send:*', 'read:*']] });

const password = z
  .string({ error: 'must be a text' })
  .min(1, { error: 'must not be empty' })
  .max(4096, { error: 'is too long' })
  .meta({ description: '8 to 1024 characters.', format: 'password', examples: ['correct horse battery staple'] });

export const NewAccount = z
  .strictObject({
    name: clientName,
    password,
    may: permissions.optional().meta({ description: 'What it may do; only administrators can say so.' }),
  })
  .meta({ id: 'NewAccount', description: 'An account to be made.' });

export const PermittedAccount = z
  .strictObject({ may: permissions })
  .meta({ id: 'PermittedAccount', description: 'What an account may do from now on.' });

export const Account = z
  .object({ name: clientName, may: heldPermissions, createdAt: time })
  .meta({ id: 'Account', description: 'Somebody who signs in with a name and a password.' });

export const AccountList = z
  .object({ accounts: z.array(Account) })
  .meta({ id: 'AccountList', description: 'All accounts, by name.' });

export const NewPassword = z
  .strictObject({
    password,
    current: password.optional().meta({ description: 'The one of today; administrators need not know it.' }),
  })
  .meta({ id: 'NewPassword', description: 'Another password. All other sessions of the account end.' });

export const SignIn = z
  .strictObject({ name: clientName, password })
  .meta({ id: 'SignIn', description: 'A name and a password.' });

export const WhoAmI = z
  .object({
    kind: z
      .enum(['none', 'client', 'account', 'key', 'jwt', 'operator'])
      .meta({ description: 'By what one has shown who one is.' }),
    name: z.string().nullable().meta({ description: 'The name of the account, the key or the identity.' }),
    client: Client.nullable().meta({ description: 'The client that one is.' }),
    may: heldPermissions,
    expiresAt: time.nullable().meta({ description: 'When the credential ends by itself.' }),
    access: z.enum(['open', 'members']).meta({ description: 'Whether anyone may come, or only who has a credential.' }),
    registration: z.enum(['open', 'closed']).meta({ description: 'Whether anyone may make an account.' }),
  })
  .meta({ id: 'WhoAmI', description: 'Who one is, and what one may do.' });

export const SignedIn = WhoAmI.extend({
  token: z
    .string()
    .meta({ description: 'The secret of the session. Nobody is told it again.', examples: ['ics_ID_SECRET'] }),
}).meta({ id: 'SignedIn', description: 'A session that has begun.' });

export const Session = z
  .object({
    id: z.string().meta({ examples: ['0123456789abcdef01'] }),
    current: z.boolean().meta({ description: 'Whether it is the one that asks.' }),
    device: z.string().nullable().meta({ description: 'What the device called itself (User-Agent).' }),
    createdAt: time,
    usedAt: time.meta({ description: 'When it was last used, to the hour.' }),
  })
  .meta({ id: 'Session', description: 'One device that is signed in.' });

export const SessionList = z
  .object({ sessions: z.array(Session) })
  .meta({ id: 'SessionList', description: 'All sessions of an account, the one used last first.' });

export const NewKey = z
  .strictObject({
    name: clientName,
    may: permissions.min(1, { error: 'must be one permission at least' }),
    expiresAt: time
      .optional()
      .meta({ description: 'From then on it is not taken any more; without it, it holds until it is revoked.' }),
  })
  .meta({ id: 'NewKey', description: 'A key for a machine, to be made.' });

export const Key = z
  .object({
    id: z.string().meta({ examples: ['0123456789abcdef01'] }),
    name: clientName,
    may: heldPermissions,
    createdAt: time,
    expiresAt: time.nullable(),
    usedAt: time.nullable().meta({ description: 'When it was last used, to the minute; null if never.' }),
  })
  .meta({ id: 'Key', description: 'A key for a machine, without its secret.' });

export const MadeKey = Key.extend({
  key: z.string().meta({ description: 'The key itself. Nobody is told it again.', examples: ['ick_ID_SECRET'] }),
}).meta({ id: 'MadeKey', description: 'A key that was just made.' });

export const KeyList = z.object({ keys: z.array(Key) }).meta({ id: 'KeyList', description: 'All keys, by name.' });

/** The longest a ban may last, in seconds: ten years. */
const BAN_MOST = 315_576_000;

const banned = {
  seconds: z
    .number({ error: 'must be a number of seconds' })
    .positive({ error: 'must be more than 0 seconds' })
    .max(BAN_MOST, { error: `must be at most ${BAN_MOST} seconds` })
    .meta({ description: 'For how long.', examples: [3600] }),
  reason: z.string({ error: 'must be a text' }).max(200, { error: 'must be at most 200 characters' }).optional(),
};

export const NewBan = z
  .union(
    [
      z.strictObject({ account: clientName, ...banned }),
      z.strictObject({ address: z.string().max(64), ...banned }),
      z.strictObject({ client: clientIndex, ...banned }),
    ],
    { error: 'must be {"account": NAME}, {"address": ADDRESS or RANGE} or {"client": INDEX}, with "seconds"' },
  )
  .meta({
    id: 'NewBan',
    description:
      'Whom to keep out: an account, an address or a range of them, or the account, key or identity of a client.',
    examples: [{ address: '192.0.2.0/24', seconds: 3600, reason: 'flooding' }],
  });

export const Ban = z
  .object({
    id: z.string().meta({ examples: ['0123456789abcdef01'] }),
    whom: z.string().meta({ examples: ['address 192.0.2.0/24'] }),
    until: time,
    reason: z.string().nullable(),
    by: z.string().meta({ examples: ['account alice'] }),
    createdAt: time,
  })
  .meta({ id: 'Ban', description: 'Somebody who is kept out for a time.' });

export const BanList = z
  .object({ bans: z.array(Ban) })
  .meta({ id: 'BanList', description: 'Who is kept out now, the newest first.' });

export const AuditPage = z
  .object({
    entries: z.array(
      z.object({
        id: messageId.meta({ description: 'Its place in the log.' }),
        at: time,
        by: z.string().meta({ examples: ['account alice'] }),
        action: z.string().meta({ examples: ['ban.add'] }),
        target: z.string().meta({ examples: ['address 192.0.2.0/24 until 2026-01-31T13:00:00.000Z'] }),
      }),
    ),
    next: z.string().nullable().meta({ description: 'The path of the next page; null on the last one.' }),
  })
  .meta({ id: 'AuditPage', description: 'Who did what to keep order, the oldest first.' });

export const NewRoom = z
  .strictObject({ private: z.literal(true, { error: 'must be true: a public room is made by entering it' }) })
  .meta({ id: 'NewRoom', description: 'A room to be made.' });

export const HandOver = z
  .strictObject({ owner: clientIndex })
  .meta({ id: 'HandOver', description: 'Whose room it is to be: a member of it.', examples: [{ owner: 2 }] });

export const GuestList = z
  .object({ clients: z.array(Client) })
  .meta({ id: 'GuestList', description: 'Who is invited and has not entered yet.' });

export const InvitationList = z
  .object({ invitations: z.array(z.object({ room: roomName, owner: clientIndex })) })
  .meta({ id: 'InvitationList', description: 'Private rooms that one may enter.' });

/* Parameters. */

export const NameParams = z.object({ name: clientName.meta({ description: 'The name, as the list shows it.' }) });

const ID_RULE = 'must be an id, as the list shows it';

export const SessionParams = z.object({
  id: z
    .string()
    .regex(/^[0-9a-f]{18}$/, { error: ID_RULE })
    .meta({ description: 'The id of a session.' }),
});

export const BanParams = z.object({
  id: z
    .string()
    .regex(/^[0-9a-f]{18}$/, { error: ID_RULE })
    .meta({ description: 'The id of a ban.' }),
});

export const IndexParams = z.object({
  index: whole(1, INDEX_MOST, 'must be the index of a client: a positive whole number').meta({
    description: 'The index of a client, as LIST shows it.',
    examples: [2],
  }),
});

export const MessageParams = IndexParams.extend({
  id: whole(1, INDEX_MOST, 'must be the id of a message: a positive whole number').meta({
    description: 'The id of a message.',
    examples: [17],
  }),
});

const room = { room: roomName };

export const RoomParams = z.object(room);

export const MemberParams = IndexParams.extend(room);

export const MessageIdParams = MessageParams.pick({ id: true });

export const RoomMessageParams = MessageIdParams.extend(room);

export const ConnectQuery = z.looseObject({
  name: clientName.optional(),
  rooms: z
    .preprocess(
      (text) => (typeof text === 'string' ? text.split(',').filter((name) => name !== '') : text),
      z
        .array(roomName, { error: 'must be names of rooms with commas between them' })
        .max(ROOMS_MOST, { error: `must be at most ${ROOMS_MOST} rooms` }),
    )
    .optional()
    .meta({ description: 'Rooms to enter at once, with commas between them.', examples: ['lobby,news'] }),
  presence: z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .optional()
    .meta({ description: 'Whether to be told who comes and goes, by events `presence`.' }),
  after: cursorText.optional().meta({ description: 'A cursor, for those who cannot set Last-Event-ID.' }),
  lastEventId: z.string().optional().meta({ description: 'The same as `after`, as a widely used polyfill sends it.' }),
  token: z.string().optional().meta({ description: 'The token, for EventSource, which cannot set headers.' }),
});

/** How a plain EventSource says how far it had read. */
export const ConnectHeaders = z.looseObject({
  'last-event-id': z.string().optional().meta({
    description: 'The id of the last event that came: the cursor from which to go on. A browser sends it by itself.',
  }),
});

const pageLimit = whole(1, 1000, 'must be a whole number from 1 to 1000').default(100).meta({
  description:
    'The most that one answer may have. Messages end at 8 MiB as well, so fewer do not mean that there are no more.',
});

export const ListQuery = z.strictObject({
  status: z
    .enum(['online', 'away'], { error: 'must be online or away' })
    .optional()
    .meta({ description: 'Only clients of this status.' }),
  name: clientName.optional().meta({ description: 'Only clients with exactly this name.' }),
  limit: pageLimit,
  after: whole(0, INDEX_MOST, 'must be the index of a client')
    .optional()
    .meta({ description: 'Only clients with a higher index.' }),
});

const wait = z
  .preprocess(
    (text) => (typeof text === 'string' && /^\d{1,2}(\.\d{1,3})?$/.test(text) ? Number(text) : text),
    z
      .number({ error: 'must be 0 to 60 seconds' })
      .min(0, { error: 'must be 0 to 60 seconds' })
      .max(60, { error: 'must be 0 to 60 seconds' }),
  )
  .default(0)
  .meta({ description: 'Seconds to wait for a message if there is none: answers as soon as there is.' });

const SOUGHT_RULE = 'must be a text of 1 to 200 characters';

export const HistoryQuery = z.strictObject({
  after: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'An id or a cursor: only messages behind it, oldest first.' }),
  before: whole(1, INDEX_MOST, 'must be the id of a message')
    .optional()
    .meta({ description: 'An id: only messages before it; without `after` the newest of them.' }),
  limit: pageLimit,
  wait,
  q: z
    .string({ error: SOUGHT_RULE })
    .min(1, { error: SOUGHT_RULE })
    .max(200, { error: SOUGHT_RULE })
    .optional()
    .meta({ description: 'Only messages whose text contains this, whatever the case.' }),
});

export const RoomListQuery = z.strictObject({
  limit: pageLimit,
  after: roomName.optional().meta({ description: 'The name of a room: only those that come behind it.' }),
});

export const SendHeaders = z.looseObject({
  'idempotency-key': idempotencyKey.optional().meta({
    description:
      'Makes a retry safe: a repeat within 10 minutes, by the same sender, sends nothing again and is answered as the first was. ' +
      'Best a UUID, such as 8e03978e-40d5-43e8-bc93-6894a57f9324. Without a token all senders are one. It has no effect with ttl 0.',
    // No example: Swagger would fill it in, and every SEND after the first would be taken for its repeat.
  }),
});

export const AuditQuery = z.strictObject({
  limit: pageLimit,
  after: whole(1, INDEX_MOST, 'must be the id of an entry').optional().meta({ description: 'Only entries behind it.' }),
});

export const NoQuery = z.strictObject({});
