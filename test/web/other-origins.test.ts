import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { operatorToken } from '../../src/hub/credentials.js';
import { enterRoom, makeAccount, noBrowser, say, shows, startBrowser, textsOf, visitAs } from '../support/browser.js';
import { ask } from '../support/http.js';
import { startServer } from '../support/server.js';

const SECRET = 'a secret of thirty-two characters';

/** A request as it came to the server, and what the server said to it. */
interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly origin: string | undefined;
  readonly site: string | undefined;
  readonly cookie: boolean;
  status: number;
  answer: string;
}

async function listen(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Stands before a server, changes nothing, and writes down what comes and what is answered. */
async function recorderBefore(t: Test, port: number): Promise<{ port: number; exchanges: Exchange[] }> {
  const exchanges: Exchange[] = [];
  const pass = (incoming: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '', headers } = incoming;
    const exchange: Exchange = {
      method,
      path: url,
      origin: headers.origin,
      site: headers['sec-fetch-site'],
      cookie: headers.cookie?.includes('interchat_session') ?? false,
      status: 0,
      answer: '',
    };
    exchanges.push(exchange);
    const asked = request({
      host: '127.0.0.1',
      port,
      method,
      path: url,
      headers: { ...headers, 'accept-encoding': '' },
    });
    asked.on('response', (answer) => {
      exchange.status = answer.statusCode ?? 0;
      response.writeHead(exchange.status, answer.headers);
      answer.on('data', (chunk: Buffer) => (exchange.answer += chunk.toString()));
      answer.pipe(response);
    });
    asked.on('error', () => response.destroy());
    response.on('close', () => asked.destroy());
    incoming.pipe(asked);
  };
  return { port: await listen(t, createServer(pass)), exchanges };
}

/** In the page of another origin: tries all that a browser lets it try. Resolves to what it could read of it. */
async function attack({ target, client }: { target: string; client: number }): Promise<string[]> {
  const read: string[] = [];
  const note = (what: string) => void read.push(what);
  const ended = (start: (done: () => void) => void) => new Promise<void>((resolve) => start(resolve));
  const mailbox = `${target}/clients/${client}/messages`;
  const room = `${target}/rooms/lobby/messages`;
  for (const url of [mailbox, room, `${target}/sessions/current`, `${target}/clients`]) {
    await fetch(url, { credentials: 'include' }).then(
      async (response) => note(await response.text()),
      () => undefined,
    );
    await fetch(url, { credentials: 'include', mode: 'no-cors' }).then(
      async (response) => note(await response.text()),
      () => undefined,
    );
  }
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
    const headers = { 'Content-Type': type };
    await fetch(room, { method: 'POST', credentials: 'include', mode: 'no-cors', headers, body: 'forged' }).catch(
      () => undefined,
    );
    await fetch(room, { method: 'POST', credentials: 'include', headers, body: 'forged' }).catch(() => undefined);
    const frame = document.createElement('iframe');
    frame.name = `frame-${type}`;
    const form = document.createElement('form');
    Object.assign(form, { method: 'post', action: room, enctype: type, target: frame.name });
    const field = document.createElement('input');
    Object.assign(field, { name: 'text', value: 'forged' });
    form.append(field);
    document.body.append(frame, form);
    await ended((done) => {
      frame.onload = done;
      form.submit();
    });
  }
  navigator.sendBeacon(room, 'forged');
  await fetch(`${target}/sessions/current`, { method: 'DELETE', credentials: 'include' }).catch(() => undefined);
  for (const url of [`${target}/events`, `${target}/events?after=0`]) {
    await ended((done) => {
      const events = new EventSource(url, { withCredentials: true });
      const end = () => {
        events.close();
        done();
      };
      events.onerror = end;
      events.addEventListener('welcome', ({ data }: MessageEvent<string>) => {
        note(data);
        end();
      });
    });
  }
  for (const url of [mailbox, room, `${target}/events`]) {
    await ended((done) => {
      const image = new Image();
      image.onload = () => {
        note('an image');
        done();
      };
      image.onerror = () => done();
      image.src = url;
    });
    await ended((done) => {
      const script = document.createElement('script');
      script.onload = () => done();
      script.onerror = () => done();
      script.src = url;
      document.head.append(script);
    });
  }
  return read;
}

void t.test('a page of another origin gets nothing by the cookie', { skip: noBrowser }, async (t) => {
  const server = await startServer(t, { secret: SECRET, access: 'members' });
  const { port, exchanges } = await recorderBefore(t, server.port);
  const evil = await listen(
    t,
    createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><body>')),
  );
  const browser = await startBrowser(t);
  await makeAccount(server.url, SECRET, 'alice');
  await makeAccount(server.url, SECRET, 'bob');
  const own = `http://127.0.0.1:${port}`;
  const { page, context, complaints } = await visitAs(t, browser, `${own}/`, 'alice');
  await enterRoom(page, 'lobby');
  await say(page, 'known to members alone');
  await shows(page, 'known to members alone');
  const token = operatorToken(SECRET);
  const { clients } = (await ask(`${server.url}/clients`, { token })).json as { clients: { index: number }[] };
  const client = clients[0]?.index ?? 0;

  for (const [what, address, target] of [
    ['another port of the same address', `http://127.0.0.1:${evil}/`, own],
    ['another name of the same machine', `http://localhost:${evil}/`, own],
    ['another name, the same port', `http://localhost:${port}/docs/`, own],
    ['another port, asking by another name', `http://127.0.0.1:${evil}/`, `http://localhost:${port}`],
  ] as const) {
    await t.test(what, async (t) => {
      const other = await context.newPage();
      await other.goto(address);
      const before = exchanges.length;
      // The page of the documentation may talk to its own server alone: there the policy of the page refuses already.
      const read = address.includes('/docs/') ? [] : await other.evaluate(attack, { target, client });
      t.same(
        read.filter((text) => text !== ''),
        [],
        'it could read nothing',
      );
      const opened = context.waitForEvent('page');
      const [popup] = await Promise.all([
        opened,
        other.evaluate((url) => void window.open(url), `${target}/clients/${client}/messages`),
      ]);
      await popup.waitForLoadState();
      t.notMatch(await popup.content(), 'known to members alone');
      await popup.close();
      const came = exchanges
        .slice(before)
        .filter(({ site, origin }) => site !== 'same-origin' || (origin ?? own) !== own);
      t.ok(came.length > 0, `${came.length} requests came`);
      if (target === own && address.includes('127.0.0.1')) {
        t.ok(
          came.some(({ cookie }) => cookie),
          'some with the cookie: a browser does not tell ports apart',
        );
      }
      t.same(
        came.filter(({ status }) => status !== 0 && status < 400),
        [],
        'all were refused',
      );
      t.notMatch(came.map(({ answer }) => answer).join('\n'), /known to members|"index"|alice/);
      await other.close();
    });
  }

  t.same(
    (
      (await ask(`${server.url}/rooms/lobby/messages`, { token })).json as { messages: { text: string }[] }
    ).messages.map(({ text }) => text),
    ['known to members alone'],
    'nothing was sent',
  );
  t.match((await ask(`${server.url}/clients/${client}`, { token })).json, { streams: 1 }, 'no stream was opened');
  await say(page, 'still signed in');
  await shows(page, 'still signed in');
  t.same(await textsOf(page), ['known to members alone', 'still signed in']);
  t.same(complaints, []);
});
