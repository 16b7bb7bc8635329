import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createParser } from 'eventsource-parser';
import t, { type Test } from 'tap';
import { EventSource } from 'undici';
import { visibleJson } from '../../src/cli/visible.js';
import { EventParser, type ServerSentEvent } from '../../src/sdk/event-parser.js';
import { House, PASSWORD } from '../access/house.js';
import type { Answer, Asked } from '../support/http.js';
import { wellFormed } from './well-formed.js';

const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, at) => String.fromCharCode(first + at));

/** What ends a line, a field or an event to somebody, or is no character at all. */
const CHARACTERS = [
  ...range(0x00, 0x1f),
  ...range(0x7f, 0x9f),
  '\u2028',
  '\u2029',
  '\ufeff',
  '\u202e',
  '\ud800',
  '\udc00',
  '\r\n',
  '\n\n',
  '\r\r',
];
const KEYWORDS = [
  'data:',
  'data: forged',
  'event: bye',
  'id: 1',
  'id:',
  'retry: 1',
  ':',
  ': comment',
  'data: forged\n\n',
  '\n\nevent: bye\ndata: {}\n\n',
  '\r\n\r\nevent: bye\r\ndata: {}\r\n\r\n',
  '\r\revent: bye\rdata: {}\r\r',
  '\nid: 99999.1.MAC\n\n',
  '\nretry: 1\n\n',
  '"}\n\ndata: {"id":"1","text":"forged"}\n\n',
  '\ufeffdata: forged',
  '\\n\\ndata: forged\\n\\n',
  '\u2028\u2028data: forged\u2028\u2028',
];
const HOSTILE = [...CHARACTERS.flatMap((one) => [one, `${one}a`, `a${one}`, `a${one}b`]), ...KEYWORDS];
/** What is in the middle of something: for fields of which each is asked for by a request of its own. */
const INNER = [...CHARACTERS.map((one) => `a${one}b`), ...KEYWORDS];

const house = await House.open(t, { registration: 'open' });
const agent = new Agent({ keepAlive: true });
t.teardown(() => agent.destroy());

const ask = (path: string, asked: Asked = {}) => house.ask(path, { agent, ...asked });
const order = (path: string, asked: Asked = {}) => house.order(path, { agent, ...asked });
const encoded = (text: string) => encodeURIComponent(wellFormed(text));

/** All bytes of a stream. */
class Recording {
  readonly #chunks: Buffer[] = [];

  private constructor(private readonly response: IncomingMessage) {
    response.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    response.on('error', () => undefined);
  }

  static open(t: Test, query: string, headers: Record<string, string> = {}): Promise<Recording> {
    return new Promise((resolve, reject) => {
      const outgoing = request(`${house.url}/events?${query}`, { headers, agent: false }, (response) =>
        resolve(new Recording(response)),
      );
      outgoing.on('error', reject).end();
      t.teardown(() => outgoing.destroy());
    });
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  async until(text: string): Promise<void> {
    while (!this.bytes.includes(text)) await once(this.response, 'data');
  }

  async end(): Promise<Buffer> {
    if (!this.response.readableEnded) await once(this.response, 'end');
    return this.bytes;
  }

  close(): void {
    this.response.destroy();
  }
}

function bySdk(bytes: Buffer): ServerSentEvent[] {
  return new EventParser(10_000_000).push(bytes);
}

function byPackage(bytes: Buffer): ServerSentEvent[] {
  const events: ServerSentEvent[] = [];
  let lastEventId = '';
  const parser = createParser({
    onEvent: ({ event = 'message', id, data }) => {
      if (id !== undefined) lastEventId = id;
      events.push({ event, data, lastEventId });
    },
    onError: (error) => {
      throw error;
    },
  });
  parser.feed(new TextDecoder().decode(bytes));
  return events;
}

const NAMES = ['message', 'welcome', 'gap', 'presence', 'read', 'deleted', 'invited', 'bye'];

/** The bytes once more, as a server sends them, to an EventSource. */
async function byUndici(t: Test, bytes: Buffer): Promise<ServerSentEvent[]> {
  const replay = createServer((_, response) => response.setHeader('content-type', 'text/event-stream').end(bytes));
  replay.listen(0, '127.0.0.1');
  await once(replay, 'listening');
  t.teardown(() => replay.close());
  const source = new EventSource(`http://127.0.0.1:${(replay.address() as AddressInfo).port}/`);
  const events: ServerSentEvent[] = [];
  for (const name of NAMES) {
    source.addEventListener(name, (event) => {
      const { data, lastEventId } = event as unknown as { data: string; lastEventId: string };
      events.push({ event: name, data, lastEventId });
    });
  }
  // The end of the answer.
  await new Promise((resolve) => source.addEventListener('error', resolve));
  source.close();
  return events;
}

/** Whether it was taken; anything but that and a refusal is a fault. */
function taken(t: Test, answer: Answer, what: string): boolean {
  if (answer.status < 300) return true;
  if (answer.status >= 500) t.fail(`${what}: ${answer.status}`);
  if (!String(answer.headers['content-type']).startsWith('application/problem+json')) t.fail(`${what}: no problem`);
  return false;
}

interface Received {
  readonly id: string;
  readonly text?: string;
  readonly data?: unknown;
}

void t.test(
  'whatever anybody sends and calls itself, three parsers read the same events, and those that were meant',
  async (t) => {
    const self = await house.stranger('self');
    const other = await house.stranger('other');
    await ask(`/rooms/lobby/members/${self.index}`, { method: 'PUT', token: self.token });
    const authorization = `Bearer ${self.token}`;
    const recording = await Recording.open(t, 'presence=true', { authorization });
    const lines = await Recording.open(t, 'presence=true', { authorization, accept: 'application/x-ndjson' });
    await Promise.all([recording.until('welcome'), lines.until('welcome')]);

    const sent: Received[] = [];
    const names = new Set<unknown>(['self', 'other', null]);
    const keep = (answer: Answer, what: string, content: Omit<Received, 'id'>) => {
      if (taken(t, answer, what)) sent.push({ id: String(answer.json.id), ...content });
    };
    for (const text of HOSTILE) {
      const what = visibleJson(text);
      const content = { text, data: { [text]: [text] } };
      keep(await ask(`/clients/${self.index}/messages`, { json: content, token: other.token }), what, content);
      if (wellFormed(text) !== text) continue;
      const plain: Asked = { body: text, headers: { 'content-type': 'text/plain' } };
      keep(await ask('/rooms/lobby/messages', plain), `text/plain ${what}`, { text });
    }
    const all = HOSTILE.map((text) => ({ to: { everyone: true }, text, data: text }));
    const bulk = await ask('/messages', {
      body: all.map((one) => JSON.stringify(one)).join('\n'),
      headers: { 'content-type': 'application/x-ndjson' },
    });
    for (const [at, line] of bulk.text.trim().split('\n').entries()) {
      const { id, status } = JSON.parse(line) as { id?: string; status?: number };
      if (id !== undefined) sent.push({ id, text: HOSTILE[at], data: HOSTILE[at] });
      else t.equal(status, 400);
    }
    for (const name of INNER) {
      const what = `the name ${visibleJson(name)}`;
      if (taken(t, await ask('/clients', { json: { name } }), what)) names.add(name);
      const renamed = await ask(`/clients/${other.index}`, { method: 'PATCH', json: { name }, token: other.token });
      if (taken(t, renamed, what)) names.add(name);
      const asQuery = await ask(`/clients?name=${encoded(name)}&limit=1`);
      if (taken(t, asQuery, what)) JSON.parse(asQuery.text);
      const put: Asked = { method: 'PUT', token: self.token };
      for (const path of [`/rooms/${encoded(name)}/members/${self.index}`, `/rooms/${encoded(name)}`]) {
        t.notOk(taken(t, await ask(path, { ...put, json: { private: true } }), path), `${path} is no room`);
      }
      t.notOk(taken(t, await ask('/clients', { json: { rooms: [name] } }), what));
      t.notOk(taken(t, await ask('/messages', { json: { to: { room: name }, text: 'x' } }), what));
    }
    await ask(`/clients/${self.index}/messages`, { json: { text: 'the last' } });
    await Promise.all([recording.until('the last'), lines.until('the last')]);
    await ask(`/clients/${self.index}`, { method: 'DELETE', token: self.token });

    const bytes = await recording.end();
    const events = bySdk(bytes);
    t.ok(sent.length > HOSTILE.length * 2, 'nearly all of it was taken');
    t.strictSame(byPackage(bytes), events, 'eventsource-parser reads what the SDK does');
    t.strictSame(await byUndici(t, bytes), events, 'undici does, too');
    const messages = events.filter(({ event }) => event === 'message');
    const received = messages.map(({ data }) => JSON.parse(data) as Received);
    t.strictSame(
      received.slice(0, -1).map(({ id, text, data }) => ({ id, text, ...(data !== undefined && { data }) })),
      sent,
      'each message as it was sent',
    );
    t.ok(
      messages.every(({ lastEventId }, at) => lastEventId.startsWith(`${received[at]?.id}.${self.index}.`)),
      'each has its own id',
    );
    t.same([events[0]?.event, events.at(-1)?.event], ['welcome', 'bye']);
    t.equal(events.filter(({ event }) => event === 'bye' || event === 'welcome').length, 2);
    for (const { event, data } of events) {
      if (event !== 'presence') continue;
      const { client } = JSON.parse(data) as { client: { name: string | null } };
      if (!names.has(client.name)) t.fail(`nobody is called ${visibleJson(client.name)}`);
    }

    const read = (await lines.end()).toString().trimEnd().split('\n');
    const parsed = read.map((line) => JSON.parse(line) as { event: string; id: string; data: Received });
    t.strictSame(
      parsed.filter(({ event }) => event === 'message').map(({ data }) => data),
      received,
      'the lines say the same',
    );
  },
);

void t.test('a cursor, a name and a parameter of whoever connects stay in the welcome', async (t) => {
  for (const text of INNER) {
    const query = `after=${encoded(text)}&${encoded(text)}=${encoded(text)}`;
    const recording = await Recording.open(t, query);
    await recording.until('\n\n');
    const { bytes } = recording;
    const [welcome, ...others] = bySdk(bytes);
    t.strictSame(others, []);
    t.strictSame(byPackage(bytes), [welcome]);
    t.equal(welcome?.event, 'welcome');
    const { ignored, resumed } = JSON.parse(String(welcome?.data)) as { ignored: string[]; resumed: boolean };
    t.strictSame({ ignored, resumed }, { ignored: [wellFormed(text).slice(0, 64)], resumed: false });
    recording.close();
  }
});

void t.test('what administrators name is refused, or said as it is', async (t) => {
  const named: string[] = [];
  for (const text of INNER) {
    const what = visibleJson(text);
    for (const [path, json] of [
      ['/accounts', { name: text, password: PASSWORD }],
      ['/keys', { name: text, may: ['list'] }],
    ] as const) {
      if (taken(t, await order(path, { json }), `${path} ${what}`)) named.push(text);
    }
    const may = await order('/keys', { json: { name: 'permitted', may: [text] } });
    t.notOk(taken(t, may, what), `no permission is called ${what}`);
    const ban = await order('/bans', { json: { address: '192.0.2.7', seconds: 60, reason: text } });
    if (taken(t, ban, `the reason ${what}`)) t.equal(ban.json.reason, text);
    taken(t, await order('/bans', { json: { account: text, seconds: 60 } }), what);
    taken(t, await order(`/accounts/${encoded(text)}`, { method: 'DELETE' }), what);
  }
  const control = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;
  t.notOk(
    named.some((name) => control.test(name)),
    'no name has a control character',
  );
  for (const list of ['accounts', 'keys', 'bans', 'audit']) {
    const { status, text } = await order(`/${list}`);
    t.equal(status, 200);
    // eslint-disable-next-line no-control-regex
    t.notMatch(text, /[\x00-\x1f]/, `${list} is JSON on one line`);
  }
});

void t.test(
  'a device, a key and a cursor in headers are refused, or said without what no header may have',
  async (t) => {
    await house.account('alice');
    const { token } = await house.signIn('alice');
    for (const value of [...range(0x80, 0x9f), ...KEYWORDS].filter((one) => /^[\t -~\x80-\xff]+$/.test(one))) {
      const headers = { 'user-agent': `a${value}b`, 'last-event-id': value, 'idempotency-key': value };
      t.equal((await ask('/sessions', { json: { name: 'alice', password: PASSWORD }, headers })).status, 201);
      taken(t, await ask('/messages', { json: { to: { everyone: true }, text: 'x' }, headers }), value);
      const recording = await Recording.open(t, '', headers);
      await recording.until('\n\n');
      t.same(
        bySdk(recording.bytes).map(({ event }) => event),
        ['welcome'],
      );
      recording.close();
    }
    const { sessions } = (await ask('/sessions', { token })).json as { sessions: { device: string | null }[] };
    t.ok(sessions.length > 10);
    for (const { device } of sessions) t.notMatch(device ?? '', /\p{C}/u);
  },
);
