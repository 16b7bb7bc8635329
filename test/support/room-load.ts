import { Agent } from 'node:http';
import type { Test } from 'tap';
import { connect as connectClient } from '../../src/sdk/index.js';
import { EventReader } from './event-reader.js';
import { ask } from './http.js';
import { waitFor } from './wait.js';

/** Rooms that the client enters and leaves again and again. */
const ROOMS = ['one', 'two'];

/** Writers into each room, and into the mailbox. */
const WRITERS = 3;

interface Me {
  readonly client: { readonly index: number };
  readonly token: string;
  readonly cursor: string;
}

/** A message that was acknowledged, and when. */
interface Acknowledged {
  readonly id: string;
  readonly room: string | undefined;
  readonly at: number;
}

/** How long a client was in a room, by its own clock. */
interface Stay {
  readonly room: string;
  readonly from: number;
  readonly to: number;
}

/** An InterChat: one server, or two that are one. */
export interface Under {
  /** Where the client has its raw stream, and where that of the SDK. */
  readonly streams: readonly [raw: string, sdk: string];
  /** Where it enters rooms, in turn. */
  readonly enters: readonly string[];
  /** Where others send, in turn. */
  readonly sends: readonly string[];
}

/**
 * A client with two streams enters and leaves two rooms while others write into them and into its mailbox. Checks that both streams
 * get all that was acknowledged while it was in a room, once, and that ids ascend but for messages that are marked `late`.
 * @param rounds how often it enters each room
 * @returns how many messages were marked
 */
export async function enterUnderLoad(t: Test, { streams, enters, sends }: Under, rounds: number): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const raw = await EventReader.open(t, `${streams[0]}/events`);
  const { client, token, cursor } = (await raw.next()).data as unknown as Me;
  const sdk = await connectClient(streams[1], { token, cursor });
  t.teardown(() => sdk.close());
  const taken: string[] = [];
  const taking = (async () => {
    for await (const { id } of sdk.messages()) taken.push(id as string);
  })();
  // A room stays as long as it has members.
  await ask(`${sends[0]}/clients`, { json: { name: 'keeper', rooms: ROOMS } });

  const acknowledged: Acknowledged[] = [];
  let writing = true;
  const write = async (room: string | undefined, number: number) => {
    const path = room === undefined ? `clients/${client.index}/messages` : `rooms/${room}/messages`;
    for (let i = number; writing; i++) {
      const { status, json } = await ask(`${sends[i % sends.length]}/${path}`, { json: { text: 'x' }, agent });
      if (status === 201) acknowledged.push({ id: json.id as string, room, at: performance.now() });
    }
  };
  const writers = [...ROOMS, undefined].flatMap((room) =>
    Array.from({ length: WRITERS }, (_, number) => write(room, number)),
  );

  const stays: Stay[] = [];
  const enter = async (room: string) => {
    for (let round = 0; round < rounds; round++) {
      const path = `${enters[round % enters.length]}/rooms/${room}/members/${client.index}`;
      const { status } = await ask(path, { method: 'PUT', token, agent });
      const from = performance.now();
      if (status !== 201) throw new Error(`the answer to entering was ${status}`);
      const before = acknowledged.length;
      await waitFor(async () => acknowledged.length > before + 20);
      const to = performance.now();
      await ask(path, { method: 'DELETE', token, agent });
      stays.push({ room, from, to });
    }
  };
  await Promise.all(ROOMS.map(enter));
  writing = false;
  await Promise.all(writers);

  const due = acknowledged
    .filter(
      ({ room, at }) => room === undefined || stays.some((one) => one.room === room && at > one.from && at < one.to),
    )
    .map(({ id }) => id);
  // The last: all others stand before it in the log.
  const { json } = await ask(`${sends[0]}/clients/${client.index}/messages`, { json: { text: 'end' }, agent });
  await raw.until(({ events }) => events.some(({ data }) => data.id === json.id));
  await waitFor(async () => taken.includes(json.id as string));
  await sdk.close();
  await taking;

  const messages = raw.events.filter(({ event }) => event === 'message').map(({ data }) => data);
  const ids = messages.map(({ id }) => id as string);
  const missing = (had: readonly string[]) => {
    const all = new Set(had);
    return due.filter((id) => !all.has(id)).length;
  };
  t.same({ raw: missing(ids), sdk: missing(taken) }, { raw: 0, sdk: 0 }, `none of ${due.length} is missing`);
  t.same(taken.toSorted(byNumber), ids.toSorted(byNumber), 'the SDK gives out all that comes on a stream');
  t.same([new Set(ids).size, new Set(taken).size], [ids.length, taken.length], 'none comes twice');
  let highest = 0;
  const unmarked = messages.filter(({ id, late }) => {
    const isLower = Number(id) < highest;
    highest = Math.max(highest, Number(id));
    return isLower && late !== true;
  });
  t.same(unmarked, [], 'ids ascend but for marked messages');
  const numbers = raw.events.flatMap(({ id }) => (id === undefined ? [] : [Number(id.split('.')[0])]));
  t.ok(
    numbers.every((number, at) => at === 0 || number >= (numbers[at - 1] as number)),
    'no cursor goes back',
  );
  t.ok(due.length > 20 * rounds, `${due.length} were due`);
  return messages.filter(({ late }) => late === true).length;
}

function byNumber(one: string, other: string): number {
  return Number(one) - Number(other);
}
