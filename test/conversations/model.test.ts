import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Engine, Seq, Topic } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import type { ClientIndex } from '../../src/hub/client-index.js';
import { Hub } from '../../src/hub/hub.js';
import type { Outgoing } from '../../src/hub/sending.js';
import { type Address, EVERYONE, mailboxOf, roomTopic } from '../../src/hub/topics.js';
import { RETENTION } from '../engine/contract.js';
import { temporaryFolder } from '../support/folder.js';
import { UNBOUNDED } from '../support/page-memory.js';
import { Recorder } from './recorder.js';

const ROOMS = ['red', 'green', 'blue'];
const FOREVER = new AbortController().signal;

/** What a client is to the model: what it may read, and the streams it has had. */
interface Party {
  readonly index: ClientIndex;
  readonly since: number;
  /** When it was in which room: a stay without an end goes on. */
  readonly stays: { readonly room: string; readonly from: number; to: number | undefined }[];
  /** Each stream with the place it was opened at; the last one may be open still. */
  readonly streams: { readonly from: number; readonly recorder: Recorder; until: number | undefined }[];
  gone: boolean;
}

interface Said {
  readonly seq: Seq;
  readonly to: Address;
}

/** A step: numbers that mean something only in the state that it finds. */
interface Step {
  readonly what: string;
  readonly who: number;
  readonly which: number;
  readonly how: number;
}

const WEIGHTS: readonly (readonly [what: string, weight: number])[] = [
  ['join', 3],
  ['enter', 4],
  ['exit', 3],
  ['send', 14],
  ['sendAll', 3],
  ['open', 6],
  ['drop', 5],
  ['leave', 1],
  ['restart', 1],
  ['look', 4],
];

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.oneof(...WEIGHTS.map(([what, weight]) => ({ weight, arbitrary: fc.constant(what) }))),
  who: fc.nat(1000),
  which: fc.nat(1000),
  how: fc.nat(1000),
});

/** The service, and what is to be expected of it. */
class World {
  readonly parties: Party[] = [];
  readonly said: Said[] = [];
  readonly #keys = new Map<string, { readonly outgoing: Outgoing; readonly seq: Seq }>();

  private constructor(
    private readonly folder: string,
    private readonly maxEntries: number,
    private engine: Engine,
    private hub: Hub,
  ) {}

  static async open(t: Test, maxEntries: number): Promise<World> {
    const folder = await temporaryFolder(t);
    const engine = await World.#openEngine(folder, maxEntries);
    return new World(folder, maxEntries, engine, await World.#openHub(engine));
  }

  static #openEngine(folder: string, maxEntries: number): Promise<Engine> {
    return openLmdbEngine({ folder, retention: { ...RETENTION, maxEntries } });
  }

  static #openHub(engine: Engine): Promise<Hub> {
    return Hub.open(engine, { secret: 'x'.repeat(32), grace: 600_000 });
  }

  async close(): Promise<void> {
    this.hub.close();
    await this.engine.close();
  }

  async take({ what, who, which, how }: Step): Promise<void> {
    const present = this.parties.filter(({ gone }) => !gone);
    if (what === 'join' || present.length === 0) return this.#join(which, how);
    const party = present[who % present.length] as Party;
    const room = ROOMS[which % ROOMS.length] as string;
    switch (what) {
      case 'enter':
        return this.#enter(party, room);
      case 'exit':
        return this.#exit(party, room);
      case 'send':
        return this.#send(party, this.#addressOf(which), how);
      case 'sendAll':
        return this.#sendAll(party, which, how);
      case 'open':
        return this.#open(party, how);
      case 'drop':
        return this.#drop(party);
      case 'leave':
        return this.#leave(party);
      case 'restart':
        return this.#restart();
      default:
        return this.#look(party, room, how);
    }
  }

  /** Everybody returns from the last place, and everything they had is what they were to have. */
  async settle(): Promise<void> {
    for (const party of this.parties) {
      if (!party.gone) await this.#open(party, 0);
      for (const stream of party.streams) this.#check(party, stream);
    }
  }

  #last(): number {
    return this.said.at(-1)?.seq ?? 0;
  }

  async #join(which: number, how: number): Promise<void> {
    const rooms = how % 3 === 0 ? [ROOMS[which % ROOMS.length] as string] : [];
    const { client } = await this.hub.join(null, rooms);
    const since = this.#last();
    const stays = rooms.map((room) => ({ room, from: since, to: undefined }));
    this.parties.push({ index: client.index, since, stays, streams: [], gone: false });
  }

  async #enter(party: Party, room: string): Promise<void> {
    const fresh = !party.stays.some((stay) => stay.room === room && stay.to === undefined);
    equal(await this.hub.enter(party.index, room), fresh, 'whether it was not in it');
    if (fresh) party.stays.push({ room, from: this.#last(), to: undefined });
  }

  async #exit(party: Party, room: string): Promise<void> {
    await this.hub.exit(party.index, room);
    for (const stay of party.stays) if (stay.room === room) stay.to ??= this.#last();
  }

  #addressOf(which: number): Address {
    const room = ROOMS[which % ROOMS.length] as string;
    if (which % 4 === 0) return { everyone: true };
    if (which % 4 === 1 && this.#members(room).length > 0) return { room };
    const present = this.parties.filter(({ gone }) => !gone);
    return { client: (present[which % present.length] as Party).index };
  }

  #members(room: string): Party[] {
    return this.parties.filter(
      ({ gone, stays }) => !gone && stays.some((stay) => stay.room === room && stay.to === undefined),
    );
  }

  async #send(party: Party, to: Address, how: number): Promise<void> {
    const outgoing: Outgoing = { to, text: `${this.said.length}`, idempotencyKey: how % 2 ? `k${how}` : undefined };
    const key = `${party.index} ${how}`;
    const before = outgoing.idempotencyKey === undefined ? undefined : this.#keys.get(key);
    if (before && !this.#isThere(before.outgoing.to)) return;
    const { seq, replayed } = await this.hub.sending.send(party.index, before?.outgoing ?? outgoing);
    equal(replayed, before !== undefined, 'whether it was sent before');
    if (before) return equal(seq, before.seq, 'the id of the first');
    this.said.push({ seq: seq as Seq, to });
    if (outgoing.idempotencyKey !== undefined) this.#keys.set(key, { outgoing, seq: seq as Seq });
  }

  #isThere(to: Address): boolean {
    if ('client' in to) return this.parties.some(({ index, gone }) => index === to.client && !gone);
    return 'room' in to ? this.#members(to.room).length > 0 : true;
  }

  async #sendAll(party: Party, which: number, how: number): Promise<void> {
    const batch = Array.from({ length: 1 + (how % 5) }, (_, n) => ({ to: this.#addressOf(which + n), data: n }));
    const { outcomes } = await this.hub.sending.sendAll(party.index, batch, () => undefined);
    for (const [n, outcome] of (await outcomes).entries()) {
      if (outcome instanceof Error) throw outcome;
      this.said.push({ seq: outcome.seq as Seq, to: (batch[n] as Outgoing).to });
    }
  }

  /** From where it had read up to, or from an earlier place. */
  async #open(party: Party, how: number): Promise<void> {
    this.#drop(party);
    const reached = party.streams.at(-1)?.recorder.cursor ?? (party.since as Seq);
    const from = how % 4 === 3 ? (Math.floor(reached / 2) as Seq) : reached;
    const recorder = await Recorder.open(this.hub, { index: party.index, position: from });
    party.streams.push({ from, recorder, until: undefined });
  }

  #drop(party: Party): void {
    const stream = party.streams.at(-1);
    if (!stream || stream.until !== undefined) return;
    stream.recorder.drop();
    stream.until = this.#last();
  }

  async #leave(party: Party): Promise<void> {
    for (const stay of party.stays) stay.to ??= this.#last();
    const stream = party.streams.at(-1);
    if (stream) stream.until ??= this.#last();
    party.gone = true;
    await this.hub.clients.leave(party.index);
    if (stream?.recorder.closed !== undefined) equal(stream.recorder.closed, 'left', 'the goodbye');
  }

  async #restart(): Promise<void> {
    for (const party of this.parties) this.#drop(party);
    await this.close();
    this.engine = await World.#openEngine(this.folder, this.maxEntries);
    this.hub = await World.#openHub(this.engine);
  }

  /** Lists, histories and unread counts. */
  async #look(party: Party, room: string, how: number): Promise<void> {
    const members = this.#members(room);
    equal(this.hub.clients.rooms.get(room)?.members ?? 0, members.length, 'members');
    const online = members.filter(({ streams }) => streams.at(-1) !== undefined && streams.at(-1)?.until === undefined);
    equal(this.hub.clients.rooms.get(room)?.online ?? 0, online.length, 'of whom are online');
    if (this.maxEntries < RETENTION.maxEntries) return;
    const query = {
      after: Math.floor((this.#last() * (how % 10)) / 10) as Seq,
      limit: 1000,
      wait: 0,
      memory: UNBOUNDED,
    };
    const behind = (to: Address, from: number) =>
      this.said.filter((one) => topicOf(one.to) === topicOf(to) && one.seq > from).map(({ seq }) => seq);
    const read = async (page: Promise<{ entries: readonly { seq: Seq }[] }>) =>
      (await page).entries.map(({ seq }) => seq).join();
    const mine = { client: party.index };
    equal(
      await read(this.hub.readMailbox(party.index, query, FOREVER)),
      behind(mine, query.after).join(),
      'the mailbox',
    );
    const everyone = behind({ everyone: true }, Math.max(query.after, party.since)).join();
    equal(await read(this.hub.readEveryone(party.index, query, FOREVER)), everyone, 'what was sent to everyone');
    const { unread } = await this.hub.readState(party.index);
    equal(unread.mailbox, behind(mine, 0).length, 'unread in the mailbox');
    equal(unread.everyone, behind({ everyone: true }, party.since).length, 'unread of what was sent to everyone');
    for (const { room, from, to } of party.stays) {
      if (to === undefined) equal(unread.rooms.get(room), behind({ room }, from).length, `unread in ${room}`);
    }
  }

  /** All that this client may read between these places, and nothing else; with a gap in between, in that order. */
  #check(party: Party, { from, recorder, until }: Party['streams'][number]): void {
    if (recorder.failure) throw recorder.failure as Error;
    const wanted = this.said
      .filter(({ seq, to }) => seq > from && seq <= (until ?? Infinity) && mayRead(party, seq, to))
      .map(({ seq }) => seq);
    const { seqs } = recorder;
    for (const [at, seq] of seqs.entries()) if (at > 0 && seq <= (seqs[at - 1] as Seq)) throw new Error('not in order');
    const wasTold = ({ seq, to }: Said) =>
      recorder.gaps.some(
        (gap) =>
          seq > gap.after &&
          (gap.oldest === null || seq < gap.oldest) &&
          (gap.to === null || topicOf(gap.to) === topicOf(to)),
      );
    const missing = this.said
      .filter((one) => wanted.includes(one.seq) && !seqs.includes(one.seq) && !wasTold(one))
      .map(({ seq }) => seq);
    const foreign = seqs.filter((seq) => !wanted.includes(seq));
    equal(foreign.join(), '', `client ${party.index} had what is not for it`);
    equal(missing.join(), '', `client ${party.index} has missed something`);
  }
}

function mayRead({ index, since, stays }: Party, seq: number, to: Address): boolean {
  if ('client' in to) return to.client === index;
  if ('everyone' in to) return seq > since;
  return stays.some((stay) => stay.room === to.room && seq > stay.from && seq <= (stay.to ?? Infinity));
}

function equal<T>(found: T, wanted: T, what: string): void {
  if (found !== wanted) throw new Error(`${what}: ${String(found)} where it is ${String(wanted)}`);
}

for (const [name, maxEntries] of [
  ['with all of it kept', RETENTION.maxEntries],
  ['with little of it kept', 5],
] as const) {
  void t.test(`what each client saw is what the model says, ${name}`, async (t) => {
    let steps = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 150, size: 'max' }), async (all) => {
        const world = await World.open(t, maxEntries);
        try {
          for (const one of all) await world.take(one);
          await world.settle();
          steps += all.length;
        } finally {
          await world.close();
        }
      }),
      { numRuns: 30 },
    );
    t.ok(steps > 500, `${steps} steps`);
  });
}

/** Where messages to it are; all rooms here are public. */
function topicOf(to: Address): Topic {
  if ('client' in to) return mailboxOf(to.client);
  return 'room' in to ? roomTopic(to.room) : EVERYONE;
}
