import t from 'tap';
import { randomBy } from '../faults/random.js';
import { type Book, Checker, type Delivery, type Life } from './checker.js';

const CLIENTS = 20;
const ROOMS = ['a', 'b', 'c'];
const KEEP = 50;
const MESSAGES = 3_000;

/** What one client saw, as it is played back to the checker. */
type Event = { readonly delivery: Delivery } | { readonly gap: { after: number; oldest: number; to: string } };

interface Record {
  /** By client, in the order in which they came. */
  readonly events: Event[][];
  readonly play: () => ReadonlyMap<string, number>;
}

/**
 * The record of a run without a fault: messages to clients, rooms and everyone, and of the first client a gap, as it was away for
 * longer than messages are kept. `plant` may change it before the checker sees it.
 */
function recordOf(seed: number): Record {
  const random = randomBy(seed);
  const some = <Thing>(things: readonly Thing[]) => things[Math.floor(random() * things.length)] as Thing;
  let now = 0;
  const checker = new Checker({ keep: KEEP, grace: 1_000, now: () => now });
  const lives = Array.from({ length: CLIENTS }, (_, n) => checker.life(n + 1));
  const rooms = lives.map((_, n) => ROOMS[n % ROOMS.length] as string);
  for (const [n, life] of lives.entries()) {
    life.welcomed(n + 1, false);
    life.enters(rooms[n] as string);
    life.entered(rooms[n] as string);
  }
  const book: Book = checker.book('s0');
  const events: Event[][] = lives.map(() => []);
  for (let id = 1; id <= MESSAGES; id++) {
    now += 10;
    const client = 1 + Math.floor(random() * CLIENTS);
    const to = some([`client ${client}`, `client ${client}`, `room ${some(ROOMS)}`, 'everyone']);
    const { n, text } = book.begin(to);
    now += 10;
    book.acknowledged(n, id);
    for (const [at, { index }] of lives.entries()) {
      const isFor = to === 'everyone' || to === `client ${index}` || to === `room ${rooms[at]}`;
      if (isFor) events[at]?.push({ delivery: { id, to, text, late: false, place: id } });
    }
  }
  // Of its room the first client gets the last ones only, and is told so.
  const room = `room ${rooms[0]}`;
  const own = events[0] as Event[];
  const inRoom = own.filter((event) => 'delivery' in event && event.delivery.to === room);
  const missed = new Set(inRoom.slice(0, -KEEP));
  const oldest = idOf(inRoom.at(-KEEP));
  events[0] = [{ gap: { after: 0, oldest, to: room } }, ...own.filter((event) => !missed.has(event))];
  const play = () => {
    for (const [at, life] of lives.entries()) for (const event of events[at] as Event[]) playTo(life, event);
    checker.finish();
    return checker.violations;
  };
  return { events, play };
}

function playTo(life: Life, event: Event): void {
  if ('gap' in event) life.gap(event.gap);
  else life.received(event.delivery);
}

function idOf(event: Event | undefined): number {
  return event && 'delivery' in event ? event.delivery.id : 0;
}

void t.test('a run without a fault passes', async (t) => {
  t.same([...recordOf(1).play()], []);
});

void t.test('a loss of 0.2 % is found, to the message', async (t) => {
  for (const seed of [1, 2, 3]) {
    const { events, play } = recordOf(seed);
    const random = randomBy(seed + 100);
    let dropped = 0;
    for (const [at, all] of events.entries()) {
      events[at] = all.filter((event) => {
        const drop = 'delivery' in event && random() < 0.002;
        if (drop) dropped++;
        return !drop;
      });
    }
    t.ok(dropped > 0, `${dropped} dropped`);
    t.same([...play()], [['lost', dropped]]);
  }
});

void t.test('each fault that is planted once is found', async (t) => {
  const planted = (plant: (events: Event[][], at: number) => void) => {
    const { events, play } = recordOf(4);
    plant(events, 1 + Math.floor(randomBy(5)() * (CLIENTS - 1)));
    return Object.fromEntries(play());
  };
  const deliveryAt = (events: Event[][], client: number, place: number) =>
    (events[client]?.[place] as { delivery: Delivery }).delivery;

  t.match(
    planted((events, at) => {
      const own = events[at] as Event[];
      [own[100], own[101]] = [own[101] as Event, own[100] as Event];
    }),
    { cursor: 1 },
    'two swapped',
  );
  t.same(
    planted((events, at) => {
      let place = 100;
      while (deliveryAt(events, at, place).to === deliveryAt(events, at, place + 1).to) place++;
      const [delivery, next] = [deliveryAt(events, at, place), deliveryAt(events, at, place + 1)];
      events[at]?.splice(place, 2, { delivery: next }, { delivery: { ...delivery, place: next.id } });
    }),
    { order: 1 },
    'one late, not marked, with a cursor that says so',
  );
  t.same(
    planted((events, at) => void events[at]?.splice(101, 0, events[at]?.[100] as Event)),
    { repeated: 1 },
    'one doubled',
  );
  t.same(
    planted((events, at) => {
      const isOwn = (event: Event) => 'delivery' in event && event.delivery.to === `client ${at + 1}`;
      const other = (events[at] as Event[]).find(isOwn) as Event;
      const to = events[0] as Event[];
      to.splice(
        to.findIndex((event) => idOf(event) > idOf(other)),
        0,
        other,
      );
    }),
    { foreign: 1 },
    'one given to another client',
  );
  t.ok((planted((events) => void events[0]?.shift()).lost ?? 0) > 100, 'a gap that is not told');
  t.same(
    planted((events, at) => {
      const to = `client ${at + 1}`;
      events[at]?.unshift({ gap: { after: 0, oldest: MESSAGES, to } });
    }),
    { 'false-gap': 1 },
    'a gap that is told where nothing went',
  );
  t.match(
    planted((events, at) => {
      const place = (events[at] as Event[]).length - 1;
      const delivery = deliveryAt(events, at, place);
      events[at]?.push({ delivery: { ...delivery, id: MESSAGES + 1, place: MESSAGES + 1 } });
    }),
    { 'twice-stored': 1 },
    'one key, two messages',
  );
  t.match(
    planted((events, at) => {
      const delivery = deliveryAt(events, at, 100);
      events[at]?.splice(100, 1, { delivery: { ...delivery, text: delivery.text.replace('|0|', '|0|y') } });
    }),
    { damaged: 1, lost: 1 },
    'a text that was changed',
  );
});

void t.test('who comes back is the same client, unless it was away for too long', async (t) => {
  let now = 0;
  const checker = new Checker({ keep: KEEP, grace: 1_000, now: () => now });
  const first = checker.life(1);
  t.ok(first.welcomed(1, false));
  now += 10_000;
  first.lost();
  now += 500;
  t.ok(first.welcomed(1, true), 'the same');
  first.lost();
  now += 500;
  t.notOk(first.welcomed(2, false), 'another');
  t.same([...checker.violations], [['identity', 1]]);
  const second = checker.life(3);
  second.welcomed(3, false);
  second.lost();
  now += 2_000;
  second.gone('410');
  t.same([...checker.violations], [['identity', 1]], 'after its grace time');
  t.equal(checker.counts.expired, 1);
});

void t.test(
  'a message that came before the connection broke may come again right after it, and not later',
  async (t) => {
    const checker = new Checker({ keep: KEEP, grace: 1_000 });
    const life = checker.life(1);
    life.welcomed(1, false);
    const book = checker.book('s0');
    const send = (id: number): Delivery => {
      const { n, text } = book.begin('client 1');
      book.acknowledged(n, id);
      return { id, to: 'client 1', text, late: false, place: id };
    };
    const [one, two] = [send(1), send(2)];
    life.received(one);
    life.lost();
    life.welcomed(1, true);
    life.received(one);
    t.equal(checker.counts.repeats, 1);
    life.received(two);
    life.received(one);
    t.same([...checker.violations], [['repeated', 1]]);
  },
);

void t.test('an id with two contents is found', async (t) => {
  const checker = new Checker({ keep: KEEP, grace: 1_000 });
  const book = checker.book('s0');
  for (let time = 0; time < 2; time++) book.acknowledged(book.begin('client 1').n, 7);
  t.same([...checker.violations], [['reused-id', 1]]);
});
