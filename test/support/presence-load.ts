import { Agent } from 'node:http';
import type { Test } from 'tap';
import { randomBy } from '../faults/random.js';
import { EventReader } from './event-reader.js';
import { type Answer, ask, type Asked } from './http.js';
import { waitFor } from './wait.js';

interface Shown {
  readonly index: number;
  readonly name: string | null;
  readonly status: string;
  readonly rooms: readonly string[];
}

interface Me {
  readonly client: Shown;
  readonly token: string;
}

/** A client that comes and goes. */
interface Actor {
  token: string;
  index: number;
  stream: EventReader | undefined;
  readonly rooms: Set<string>;
}

const ROOMS = ['red', 'blue'];

/** A private room of the readers. */
const DEN = 'den';

/** A reader that keeps a list as README says: it asks for LIST once its stream is open, and puts what comes from then on over it. */
class ListReader {
  #list: ReadonlyMap<number, Shown> = new Map();
  #from = 0;

  constructor(
    private readonly stream: EventReader,
    private readonly listAll: () => Promise<Map<number, Shown>>,
  ) {}

  async ask(): Promise<void> {
    const from = this.stream.events.length;
    this.#list = await this.listAll();
    this.#from = from;
  }

  /** Which clients it has otherwise than LIST. */
  async wrong(): Promise<string[]> {
    const list = new Map(this.#list);
    for (const { event, data } of this.stream.events.slice(this.#from)) {
      if (event !== 'presence') continue;
      const { change, client } = data as unknown as { change: string; client: Shown };
      if (change === 'left') list.delete(client.index);
      else list.set(client.index, client);
    }
    const now = await this.listAll();
    const all = new Set([...list.keys(), ...now.keys()]);
    return [...all]
      .filter((index) => view(list.get(index)) !== view(now.get(index)))
      .map((index) => {
        return `client ${index}: ${view(list.get(index))} instead of ${view(now.get(index))}`;
      });
  }
}

function view(client: Shown | undefined): string {
  return client ? JSON.stringify([client.name, client.status, client.rooms]) : 'nothing';
}

/**
 * Clients come, go, take names, enter and leave rooms at random, and often undo it at once. Meanwhile readers ask for LIST, page by
 * page. Checks that all readers have what LIST has, once nothing changes any more.
 * @param urls an InterChat: one server, or several that are one
 * @param steps how many changes there are
 */
export async function comeAndGo(t: Test, urls: readonly string[], seed: number, steps: number): Promise<void> {
  const random = randomBy(seed);
  const pick = <Thing>(things: readonly Thing[]) => things[Math.floor(random() * things.length)] as Thing;
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const call = async (path: string, asked: Asked = {}): Promise<Answer> => {
    const answer = await ask(`${pick(urls)}/${path}`, { ...asked, agent });
    if (answer.status >= 400) throw new Error(`${asked.method ?? ''} ${path}: ${answer.status} ${answer.text}`);
    return answer;
  };
  const open = async (query: string) => {
    const stream = await EventReader.open(t, `${pick(urls)}/events?${query}`);
    return { stream, me: (await stream.next()).data as unknown as Me };
  };

  const owner = await open('name=owner&presence=true');
  const token = owner.me.token;
  await call(`rooms/${DEN}`, { method: 'PUT', json: { private: true }, token });
  const listAll = async () => {
    const found = new Map<number, Shown>();
    for (let path: string | null = '/clients?limit=3'; path !== null;) {
      const { json } = await call(path.slice(1), { token });
      for (const client of json.clients as Shown[]) found.set(client.index, client);
      path = json.next as string | null;
    }
    return found;
  };
  const readers: ListReader[] = [];
  const listOnce = async () => {
    const reader = new ListReader(owner.stream, listAll);
    readers.push(reader);
    await reader.ask();
  };

  const actors: Actor[] = [];
  const connect = async (rooms: readonly string[]) => {
    const { stream, me } = await open(`name=n&rooms=${rooms.join()}`);
    actors.push({ token: me.token, index: me.client.index, stream, rooms: new Set(rooms) });
    await call(`rooms/${DEN}/invitations/${me.client.index}`, { method: 'PUT', token });
  };
  const reopen = async (actor: Actor) => {
    actor.stream = (await open(`token=${actor.token}`)).stream;
  };
  const leave = async (actor: Actor) => {
    actors.splice(actors.indexOf(actor), 1);
    await call(`clients/${actor.index}`, { method: 'DELETE', token: actor.token });
  };
  const turn = async (actor: Actor) => {
    if (actor.stream) {
      actor.stream.close();
      actor.stream = undefined;
    } else await reopen(actor);
  };
  const move = async (actor: Actor, room: string) => {
    const isIn = actor.rooms.has(room);
    const path = `rooms/${room}/members/${actor.index}`;
    if (room === DEN && !isIn) await call(`rooms/${DEN}/invitations/${actor.index}`, { method: 'PUT', token });
    await call(path, { method: isIn ? 'DELETE' : 'PUT', token: actor.token });
    if (isIn) actor.rooms.delete(room);
    else actor.rooms.add(room);
  };
  const rename = async ({ index, token }: Actor, name: string) =>
    void (await call(`clients/${index}`, { method: 'PATCH', json: { name }, token }));

  /** Something that changes, and what undoes it. */
  const changes: (() => Promise<() => Promise<unknown>>)[] = [
    async () => {
      const actor = pick(actors);
      await turn(actor);
      return () => turn(actor);
    },
    async () => {
      const [actor, room] = [pick(actors), pick([...ROOMS, DEN])];
      await move(actor, room);
      return () => move(actor, room);
    },
    async () => {
      const actor = pick(actors);
      await rename(actor, 'm');
      return () => rename(actor, 'n');
    },
    async () => {
      await connect(random() < 0.5 ? [] : [pick(ROOMS)]);
      const actor = actors.at(-1) as Actor;
      return () => leave(actor);
    },
  ];
  for (let i = 0; i < 4; i++) await connect([]);
  for (let step = 0; step < steps; step++) {
    const undo = await pick(changes)();
    if (random() < 0.5) await listOnce();
    // What is not undone now may be so later, or never.
    if (random() < 0.7) await undo();
    if (random() < 0.2) await listOnce();
  }
  let wrong: string[] = [];
  await waitFor(async () => {
    const all = await Promise.all(readers.map((reader) => reader.wrong()));
    wrong = all.flat();
    return wrong.length === 0;
  }).catch(() => t.fail(`${wrong.length} are wrong, such as ${wrong[0]}`));
  t.pass(`${readers.length} readers have what LIST has`);
}
