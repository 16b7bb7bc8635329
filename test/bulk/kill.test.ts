import { once } from 'node:events';
import { type ClientRequest, request } from 'node:http';
import t from 'tap';
import { isEmbedded } from '../support/engine.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { lastingPort } from '../support/port.js';
import { spawnServer } from '../support/server.js';

const CLIENTS = 100;
/** On NATS each line with a key asks the servers three times. */
const LINES = isEmbedded ? 100_000 : 20_000;
const EACH = LINES / CLIENTS;

/** So many lines are handed to the socket at a time. */
const PIECE = 500;

const lineOf = (n: number) =>
  `${JSON.stringify({ to: { client: 1 + (n % CLIENTS) }, text: String(n), idempotencyKey: `line-${n}` })}\n`;

/**
 * Sends all lines in one request, and counts the results as they come in.
 * @param counted told how many came so far
 * @returns the results; fewer than lines where the connection broke
 */
async function sendAll(url: string, counted: (results: number) => void): Promise<string[]> {
  const results: string[] = [];
  const outgoing = request(`${url}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    agent: false,
  });
  const broken = new Promise<void>((resolve) => outgoing.on('error', () => resolve()).on('close', () => resolve()));
  const writing = writeLines(outgoing, broken);
  const answered = new Promise<void>((resolve) => {
    outgoing.on('response', (response) => {
      let rest = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        results.push(...lines);
        counted(results.length);
      });
      response.on('error', () => undefined).on('close', () => resolve());
    });
  });
  await Promise.race([answered, broken]);
  await writing;
  return results;
}

async function writeLines(outgoing: ClientRequest, broken: Promise<void>): Promise<void> {
  for (let n = 0; n < LINES && !outgoing.destroyed; n += PIECE) {
    const piece = Array.from({ length: PIECE }, (_, at) => lineOf(n + at)).join('');
    if (!outgoing.write(piece)) await Promise.race([once(outgoing, 'drain'), broken]);
  }
  outgoing.end();
}

void t.test('a bulk that is killed half way and sent again arrives once', async (t) => {
  const where = { folder: await temporaryFolder(t), port: await lastingPort(), args: ['--grace', '600'] };
  let server = await spawnServer(t, where);
  const made = await Promise.all(
    Array.from({ length: CLIENTS }, () => ask(`${server.url}/clients`, { method: 'POST' })),
  );
  const tokens = new Map(
    made.map(({ json }) => [(json as { client: { index: number } }).client.index, json.token as string]),
  );

  let killed: Promise<number | null> | undefined;
  const first = await sendAll(server.url, (results) => {
    if (results >= LINES / 2) killed ??= server.end('SIGKILL');
  });
  t.ok(killed, 'it was killed');
  await killed;
  t.ok(first.length >= LINES / 2 && first.length < LINES, `${first.length} results came before`);

  server = await spawnServer(t, where);
  const second = await sendAll(server.url, () => undefined);
  t.equal(second.length, LINES, 'each line has a result');
  const ids = second.map((line) => (JSON.parse(line) as { id: string }).id);
  t.equal(new Set(ids).size, LINES, 'and a message of its own');
  const before = first.map((line) => (JSON.parse(line) as { id: string }).id);
  t.same(ids.slice(0, before.length), before, 'what was answered before is answered the same');

  let right = 0;
  for (const [index, token] of tokens) {
    const { json } = await ask(`${server.url}/clients/${index}/messages?limit=1000`, { token });
    const texts = (json.messages as { text: string }[]).map(({ text }) => Number(text));
    const wanted = Array.from({ length: EACH }, (_, n) => n * CLIENTS + index - 1);
    if (texts.join() === wanted.join() && json.gap === false) right++;
  }
  t.equal(right, CLIENTS, 'each client has each of its messages once, in order');
  t.equal(await server.end('SIGTERM'), 0);
});
