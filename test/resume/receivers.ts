import { spawn } from 'node:child_process';
import type { Test } from 'tap';
import { EventSource as PackageEventSource } from 'eventsource';
import { EventSource as UndiciEventSource } from 'undici';
import { Inbox } from './inbox.js';

const EVENTS = ['message', 'welcome', 'gap', 'bye'];

/** The three real clients, connected to `url` one after the other; they come back by themselves until the test ends. */
export async function receivers(t: Test, url: string): Promise<Inbox[]> {
  const inboxes: Inbox[] = [];
  for (const open of [byCurl, byUndici, byPackage]) {
    const inbox = open(t, `${url}/events`);
    await inbox.until(({ welcomes }) => welcomes.length > 0);
    inboxes.push(inbox);
  }
  return inboxes;
}

/** An EventSource that is given nothing but the URL: what it does after a lost connection is its own affair. */
function byUndici(t: Test, url: string): Inbox {
  const inbox = new Inbox('the EventSource of undici');
  const source = new UndiciEventSource(url);
  t.teardown(() => source.close());
  for (const name of EVENTS) source.addEventListener(name, (event) => inbox.take(name, dataOf(event)));
  return inbox;
}

function byPackage(t: Test, url: string): Inbox {
  const inbox = new Inbox('the EventSource of eventsource');
  const source = new PackageEventSource(url);
  t.teardown(() => source.close());
  for (const name of EVENTS) source.addEventListener(name, (event) => inbox.take(name, dataOf(event)));
  return inbox;
}

/** The types of the two know the event as something different each; both have the data as a text. */
function dataOf(event: unknown): string {
  return (event as { data: string }).data;
}

/**
 * curl, started anew with the last id it printed whenever it ends, as a shell script would do it. There is nothing between
 * it and its reader that remembers an id for an event that never was complete.
 */
function byCurl(t: Test, url: string): Inbox {
  const inbox = new Inbox('curl');
  let lastId: string | undefined;
  let ended = false;
  let stop = () => {};
  t.teardown(() => {
    ended = true;
    stop();
  });
  const start = () => {
    if (ended) return;
    const resume = lastId === undefined ? [] : ['-H', `Last-Event-ID: ${lastId}`];
    const child = spawn('curl', ['-sN', ...resume, url], { stdio: ['ignore', 'pipe', 'ignore'] });
    stop = () => child.kill();
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      rest += text;
      for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
        const { event, id, data } = fieldsOf(rest.slice(0, end));
        rest = rest.slice(end + 2);
        lastId = id ?? lastId;
        if (data !== undefined) inbox.take(event ?? 'message', data);
      }
    });
    // Between two tries, as curl itself waits with --retry.
    child.once('close', () => setTimeout(start, 100).unref());
  };
  start();
  return inbox;
}

function fieldsOf(block: string): { event?: string; id?: string; data?: string } {
  const fields = block.split('\n').map((line) => {
    const colon = line.indexOf(': ');
    return [line.slice(0, colon), line.slice(colon + 2)];
  });
  return Object.fromEntries(fields) as { event?: string; id?: string; data?: string };
}
