import { EventSource } from 'eventsource';
import type { Test } from 'tap';
import { EventReader } from '../../support/event-reader.js';
import { ask } from '../../support/http.js';
import type { ProxyKind } from '../proxy.js';
import { interchat } from './interchat.js';

export async function failsOver(t: Test, kind: ProxyKind): Promise<void> {
  const [one, other] = await Promise.all([interchat(t), interchat(t)]);
  const proxy = await kind.start(t, { upstreams: [one.port, other.port] });
  const statuses = async () => {
    const answers = [];
    for (let n = 0; n < 20; n++) answers.push(await ask(`${proxy.url}/clients`, { method: 'POST' }));
    return [...new Set(answers.map(({ status }) => status))];
  };
  t.same(await statuses(), [201]);
  const total = async (url: string) => Number((await ask(`${url}/clients`)).json.total);
  t.ok((await total(one.url)) > 0 && (await total(other.url)) > 0, 'both had their share');
  await one.end('SIGKILL');
  // What was never sent may go to the other, even if it is a SEND.
  t.same(await statuses(), [201], 'and not one of them failed');
}

export async function drains(t: Test, kind: ProxyKind): Promise<void> {
  // Who has welcomed a stream can be told by its heartbeat.
  const [one, other] = await Promise.all([interchat(t, ['--heartbeat', '100']), interchat(t, ['--heartbeat', '200'])]);
  const proxy = await kind.start(t, { upstreams: [one.port, other.port] });
  const sources = Array.from({ length: 6 }, () => new Follower(t, `${proxy.url}/events`));
  await Promise.all(sources.map((source) => source.until(({ heartbeats }) => heartbeats.length === 1)));
  const [leaving, staying] = [100, 200].map((heartbeat) =>
    sources.filter(({ heartbeats }) => heartbeats[0] === heartbeat),
  );
  t.ok(leaving?.length && staying?.length, `both had their share: ${leaving?.length} and ${staying?.length}`);

  const ended = one.end('SIGTERM');
  let stops = false;
  void ended.then(() => (stops = true));
  do {
    const late = await EventReader.open(t, `${proxy.url}/events`);
    if (late.response.statusCode !== 200) t.fail(`connecting meanwhile was answered ${late.response.statusCode}`);
    late.close();
  } while (!stops);
  t.equal(await ended, 0);
  await Promise.all((leaving ?? []).map((source) => source.until(({ heartbeats }) => heartbeats.at(-1) === 200)));
  t.same(
    staying?.filter(({ heartbeats }) => heartbeats.length !== 1),
    [],
    'those of the other noticed nothing',
  );
  t.same(
    sources.filter(({ closed }) => closed),
    [],
    'and none gave up',
  );
}

/** An EventSource that is left alone, and which InterChat it is at. */
class Follower {
  /** Of each that welcomed it. */
  readonly heartbeats: number[] = [];
  readonly #source: EventSource;
  #waiting: (() => void)[] = [];

  constructor(t: Test, url: string) {
    this.#source = new EventSource(url);
    t.teardown(() => this.#source.close());
    this.#source.addEventListener('welcome', ({ data }) => {
      this.heartbeats.push((JSON.parse(data as string) as { heartbeat: number }).heartbeat);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  get closed(): boolean {
    return this.#source.readyState === EventSource.CLOSED;
  }

  async until(condition: (follower: this) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
