import { once } from 'node:events';
import t, { type Test } from 'tap';
import {
  ClientGone,
  type ConnectOptions,
  connect,
  InterChat,
  ProblemError,
  UnexpectedAnswer,
  Unreachable,
} from '../../src/sdk/index.js';
import {
  type Answer,
  event,
  json,
  message,
  refusal,
  scriptedServer,
  stream,
  streamThenCut,
  welcome,
} from './scripted-server.js';

// Each has its own server, and most of them wait.
t.jobs = 8;

async function connected(t: Test, url: string, options: ConnectOptions = {}) {
  const client = await connect(url, options);
  t.teardown(() => client.close());
  return client;
}

/** The texts of the next messages. */
async function take(client: Awaited<ReturnType<typeof connect>>, count: number): Promise<(string | undefined)[]> {
  const texts = [];
  for await (const { text } of client.messages()) {
    texts.push(text);
    if (texts.length === count) break;
  }
  return texts;
}

void t.test(
  'after a cut connection it is the same client, goes on from its cursor, and gives nothing twice',
  async (t) => {
    const server = await scriptedServer(
      t,
      streamThenCut(welcome(), message(1), message(2)),
      stream(welcome({ resumed: true }), message(2), message(10), message(9), message(2), message(10), message(11)),
    );
    const client = await connected(t, server.url);
    const lost = once(client, 'disconnected');
    const back = once(client, 'welcome');
    // One with a lower id than others is not one that it has had.
    const texts = ['message 1', 'message 2', 'message 10', 'message 9', 'message 11'];
    t.strictSame(await take(client, 5), texts);
    t.match(await lost, [{ error: { name: 'Unreachable' }, retryIn: Number }]);
    t.match(await back, [{ resumed: true }]);
    t.match(server.requests[0]?.headers, { accept: 'text/event-stream', authorization: undefined });
    t.match(server.requests[1]?.headers, { authorization: 'Bearer ict_1', 'last-event-id': '2.1' });
    t.equal(client.cursor, '11.1');
    t.equal(client.state, 'online');
  },
);

void t.test('a server that says nothing any more is taken for dead', async (t) => {
  const server = await scriptedServer(
    t,
    stream(welcome({ heartbeat: 0.05 })),
    stream(welcome({ heartbeat: 15, resumed: true }), message(1)),
  );
  const client = await connected(t, server.url);
  const lost = once(client, 'disconnected');
  t.strictSame(await take(client, 1), ['message 1']);
  t.match(await lost, [{ error: { message: /Nothing was heard/ } }]);
});

void t.test('heartbeats keep it alive', async (t) => {
  const server = await scriptedServer(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(welcome({ heartbeat: 0.4 }));
    let beats = 0;
    const timer = setInterval(() => {
      response.write(++beats === 15 ? message(1) : ':\n\n');
      if (beats === 15) clearInterval(timer);
    }, 100);
  });
  const client = await connected(t, server.url);
  client.on('disconnected', () => t.fail('it was not lost'));
  t.strictSame(await take(client, 1), ['message 1']);
  t.equal(server.requests.length, 1);
});

void t.test('it stays away for as long as retry: says', async (t) => {
  const server = await scriptedServer(t, stream(welcome(), 'retry: 120000\n', event('bye', { reason: 'shutdown' })));
  const client = await connected(t, server.url);
  const byes = once(client, 'bye');
  const [{ retryIn }] = (await once(client, 'disconnected')) as [{ retryIn: number }];
  t.match(await byes, [{ reason: 'shutdown' }]);
  t.ok(retryIn >= 120_000);
  t.equal(client.state, 'reconnecting');
  await client.close();
  t.equal(client.state, 'closed');
  t.equal(server.requests.length, 1);
});

void t.test('a server that turns a stream away while it stops is tried again', async (t) => {
  const server = await scriptedServer(
    t,
    stream('retry: 5\n', event('bye', { reason: 'shutdown' })),
    stream(welcome(), message(1)),
  );
  t.strictSame(await take(await connected(t, server.url), 1), ['message 1']);
});

void t.test('a token that is refused ends it, and says why', async (t) => {
  for (const [status, code] of [
    [401, 'unauthorized'],
    [410, 'client-gone'],
    [400, 'invalid-request'],
  ] as const) {
    const server = await scriptedServer(t, streamThenCut(welcome(), message(1)), refusal(status, code));
    const client = await connected(t, server.url);
    const ends = once(client, 'end');
    t.strictSame(await take(client, 1), ['message 1'], 'what came before is given out');
    await t.rejects(take(client, 1), { constructor: ProblemError, status, code });
    t.match(await ends, [{ status, code }]);
    t.equal(server.requests.length, 2, 'once');
  }
});

void t.test('an overloaded server is tried again', async (t) => {
  const server = await scriptedServer(
    t,
    streamThenCut(welcome()),
    refusal(503, 'unavailable', { 'retry-after': '0' }),
    refusal(429, 'too-many-requests', { 'retry-after': '0' }),
    stream(welcome({ resumed: true }), message(1)),
  );
  t.strictSame(await take(await connected(t, server.url), 1), ['message 1']);
  t.equal(server.requests.length, 4);
});

void t.test('a client that somebody else made leave ends, and says so', async (t) => {
  for (const reason of ['left', 'expired'] as const) {
    const server = await scriptedServer(t, stream(welcome(), event('bye', { reason })));
    const client = await connected(t, server.url);
    const gone = take(client, 1);
    await t.rejects(gone, ClientGone);
    await t.rejects(gone, { message: new RegExp(reason) });
  }
});

void t.test('a gap is told before what comes behind it', async (t) => {
  const server = await scriptedServer(t, stream(welcome(), event('gap', { after: '3', oldest: '7' }), message(7)));
  const client = await connected(t, server.url);
  const gaps = once(client, 'gap');
  t.strictSame(await take(client, 1), ['message 7']);
  t.match(await gaps, [{ after: '3', oldest: '7' }]);
});

void t.test('messages that were never stored have no id, and are all given out', async (t) => {
  const unstored = `data: ${JSON.stringify({ id: null, from: null, to: { client: 1 }, text: 'now', sentAt: '' })}\n\n`;
  const server = await scriptedServer(t, stream(welcome(), message(4), unstored, unstored, message(5)));
  const client = await connected(t, server.url);
  t.strictSame(await take(client, 3), ['message 4', 'now', 'now']);
  t.equal(client.cursor, '4.1');
});

void t.test('events of a kind not known yet are passed over', async (t) => {
  const server = await scriptedServer(t, stream(welcome(), event('presence', { change: 'joined' }), message(1)));
  t.strictSame(await take(await connected(t, server.url), 1), ['message 1']);
});

void t.test('whoever takes nothing holds the server up, and not the memory', async (t) => {
  let written = 0;
  const server = await scriptedServer(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(welcome());
    const text = 'x'.repeat(64 * 1024);
    const pump = () => {
      while (written < 800 && response.write(message(++written, text))) continue;
      if (written < 800) response.once('drain', pump);
    };
    pump();
  });
  const client = await connected(t, server.url);
  const stalled = async () => {
    for (let before = -1; before !== written;) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  await stalled();
  t.ok(written < 700, `${written} of 800 written`);
  let taken = 0;
  for await (const { id } of client.messages()) {
    if (id !== String(++taken)) t.fail(`${id} is not ${taken}`);
    if (taken === 800) break;
  }
  t.equal(taken, 800, 'and all of them arrive when somebody takes them');
});

void t.test('close ends it at once, even while it waits to try again, and what came can still be taken', async (t) => {
  const server = await scriptedServer(t, streamThenCut(welcome({ retry: 60_000 }), message(1)));
  const client = await connected(t, server.url);
  await once(client, 'disconnected');
  await client.close();
  const texts = [];
  for await (const { text } of client.messages()) texts.push(text);
  t.strictSame(texts, ['message 1']);
});

void t.test('a signal closes it quietly, or gives the connecting up', async (t) => {
  const server = await scriptedServer(t, stream(welcome()));
  const aborting = new AbortController();
  const client = await connected(t, server.url, { signal: aborting.signal });
  const taking = take(client, 1);
  aborting.abort();
  t.strictSame(await taking, []);

  const silent = await scriptedServer(t, () => undefined);
  const reason = new Error('changed my mind');
  const connecting = connect(silent.url, { signal: AbortSignal.abort(reason) });
  await t.rejects(connecting, reason);
  const later = new AbortController();
  const waiting = connect(silent.url, { signal: later.signal });
  later.abort(reason);
  await t.rejects(waiting, reason);
});

void t.test('what is no InterChat server is told so', async (t) => {
  const html = await scriptedServer(t, (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>It works!</h1>');
  });
  await t.rejects(connect(html.url), { constructor: UnexpectedAnswer, message: /not as an InterChat server/ });
  await t.rejects(new InterChat(html.url).list(), UnexpectedAnswer);
  const elsewhere = await scriptedServer(t, (_, response) => {
    response.writeHead(301, { location: 'https://example.org/' }).end();
  });
  await t.rejects(new InterChat(elsewhere.url).list(), { constructor: UnexpectedAnswer, message: /301/ });
  const other = await scriptedServer(t, stream('data: 1\n\n'));
  await t.rejects(connect(other.url), UnexpectedAnswer);
  const odd = await scriptedServer(t, stream(welcome().replace('"token"', '"tokens"')));
  await t.rejects(connect(odd.url), UnexpectedAnswer);
  t.throws(() => new InterChat('ftp://127.0.0.1'), TypeError);
  await t.rejects(connect('nonsense'), TypeError);
});

void t.test('a message that is no JSON ends it: it would come again and again', async (t) => {
  const server = await scriptedServer(t, stream(welcome(), 'data: {\n\n'));
  await t.rejects(take(await connected(t, server.url), 1), UnexpectedAnswer);
});

void t.test('where nothing listens, it is unreachable, after some tries', async (t) => {
  const url = 'http://127.0.0.1:9';
  await t.rejects(connect(url, { retries: 0 }), { constructor: Unreachable, message: /nothing listens there/ });
  await t.rejects(new InterChat(url, { retries: 0 }).list(), Unreachable);
});

void t.test('an answer that does not come in time is given up', async (t) => {
  const server = await scriptedServer(t, () => undefined);
  await t.rejects(new InterChat(server.url, { retries: 0, timeout: 50 }).list(), {
    constructor: Unreachable,
    message: /did not answer within 0.05 s/,
  });
  await t.rejects(connect(server.url, { retries: 0, timeout: 50 }), Unreachable);
  const half = await scriptedServer(t, (_, response) => void response.writeHead(200).write('{'));
  await t.rejects(
    new InterChat(half.url, { retries: 0, timeout: 50 }).list(),
    Unreachable,
    'nor one that stops half-way',
  );
  const unwelcome = await scriptedServer(t, stream(': nothing\n\n'));
  await t.rejects(connect(unwelcome.url, { retries: 0, timeout: 50 }), Unreachable);
});

void t.test('what may be repeated is repeated: a message under its key, a new client not at all', async (t) => {
  const cut: Answer = (_, response) => void response.destroy();
  const page = json(200, { clients: [], total: 0, next: null });
  const flaky = await scriptedServer(t, cut, refusal(500, 'internal'), page);
  t.match(await new InterChat(flaky.url).list(), { total: 0 });

  const broken = await scriptedServer(t, cut, json(201, { id: '1', reach: 1 }));
  t.match(await new InterChat(broken.url).send(1, 'Hello'), { id: '1' });
  const [first, second] = broken.requests.map(({ headers }) => headers['idempotency-key']);
  t.match(first, /^[0-9a-f-]{36}$/);
  t.equal(second, first);
  await new InterChat(broken.url).send(1, 'Hello', { idempotencyKey: 'mine' });
  t.equal(broken.requests.at(-1)?.headers['idempotency-key'], 'mine');

  const joining = await scriptedServer(t, refusal(503, 'unavailable', { 'retry-after': '0' }), cut);
  await t.rejects(new InterChat(joining.url).join(), Unreachable);
  t.equal(joining.requests.length, 2, 'again where it was surely not made, and not where it may have been');

  const later = await scriptedServer(t, refusal(429, 'too-many-requests', { 'retry-after': '3600' }));
  await t.rejects(new InterChat(later.url).list(), { message: 'this is too-many-requests' });
  t.equal(later.requests.length, 1, 'an hour is too long to wait');
});

void t.test('a URL with a path stands for what is below it', async (t) => {
  const server = await scriptedServer(t, json(200, { clients: [], total: 0, next: null }));
  await new InterChat(`${server.url}/chat?x=1#y`).list({ name: 'a&b' });
  t.equal(server.requests[0]?.url, '/chat/clients?name=a%26b');
});

void t.test('an answer without end is refused before it fills the memory', async (t) => {
  const server = await scriptedServer(t, (_, response) => {
    const piece = Buffer.alloc(1024 * 1024, 0x20);
    const pump = () => {
      while (!response.destroyed && response.write(piece)) continue;
      if (!response.destroyed) response.once('drain', pump);
    };
    pump();
  });
  await t.rejects(new InterChat(server.url, { retries: 0 }).list(), {
    constructor: UnexpectedAnswer,
    message: /larger than/,
  });
});
