import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Engine, Retention } from '../../src/engine/engine.js';
import { openLmdbEngine } from '../../src/engine/lmdb/index.js';
import { temporaryFolder } from '../support/folder.js';
import { RETENTION, topic } from './contract.js';

/** How often each folder is used by a process that is killed: CRASHES=1000 for long. */
const CRASHES = Number(process.env.CRASHES ?? 25);

const WORKERS = 8;
/** How long a text is that is a long one, in bytes: as in crashing.js. */
const LONG = 60_000;
const CRASHING = fileURLToPath(new URL('crashing.js', import.meta.url));

/** What a worker is about to do, or has done: see crashing.js. */
interface Deed {
  readonly what: 'append' | 'erase' | 'drop' | 'put' | 'remove';
  readonly n: number;
  readonly texts: readonly string[];
  readonly seq: number;
  readonly number: number;
}

type Line =
  | ({ readonly worker: number } & Deed)
  | { readonly worker: number; readonly n: number; readonly done: readonly number[] | null };

/** What is known of the topic and the record of a worker. */
class Known {
  /** seq → text, of all that is there, or was trimmed. */
  entries = new Map<number, string>();
  /** Of the record; undefined where there is none. */
  number: number | undefined;
  next = 0;
  /** Begun, and not known to be done. */
  doubtful: Deed | undefined;

  begin(deed: Deed): void {
    this.doubtful = deed;
    this.next = deed.n + 1;
  }

  end(seqs: readonly number[] | null): void {
    if (this.doubtful) this.#apply(this.doubtful, seqs ?? []);
    this.doubtful = undefined;
  }

  #apply({ what, texts, seq, number }: Deed, seqs: readonly number[]): void {
    if (what === 'append') texts.forEach((text, at) => this.entries.set(seqs[at] as number, text));
    else if (what === 'erase') this.entries.delete(seq);
    else if (what === 'drop') this.entries.clear();
    else this.number = what === 'put' ? number : undefined;
  }
}

for (const [name, retention] of [
  ['a log that keeps everything', RETENTION],
  ['a log that is trimmed all the time', { ...RETENTION, maxEntries: 50 }],
] as const) {
  void t.test(`kill -9 at any moment: ${name}`, async (t) => {
    t.setTimeout(60_000 + CRASHES * 5_000);
    const folder = await temporaryFolder(t);
    const known = Array.from({ length: WORKERS }, () => new Known());
    const numbers = new Set<number>();
    let faults: string[] = [];
    let deeds = 0;
    for (let crash = 0; crash < CRASHES && faults.length === 0; crash++) {
      deeds += await crashing(folder, retention, known, numbers, faults);
      const engine = await openLmdbEngine({ folder, retention, onError: (error) => faults.push(error.message) });
      for (const [worker, one] of known.entries()) await compare(engine, worker, one, numbers, faults);
      await engine.close();
      faults = faults.map((fault) => `${fault}, after crash ${crash + 1}`);
    }
    t.same(faults, []);
    t.ok(deeds > CRASHES, 'much was acknowledged');
    t.comment(`${CRASHES} crashes, ${deeds} deeds acknowledged`);
  });
}

/** Has a process use the folder, and kills it. @returns how much it said it had done */
async function crashing(
  folder: string,
  retention: Retention,
  known: readonly Known[],
  numbers: Set<number>,
  faults: string[],
): Promise<number> {
  const kept = known.map(({ entries, next }, worker) => ({
    topic: `crash.${worker}`,
    seqs: [...entries.keys()],
    next,
  }));
  const child = spawn(process.execPath, [CRASHING, JSON.stringify({ folder, retention, kept })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  // Once in a while before it is open, or just about.
  let timer = Math.random() < 0.1 ? setTimeout(() => child.kill('SIGKILL'), 300 * Math.random()) : undefined;
  let deeds = 0;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line | 'open';
    if (line === 'open') {
      timer ??= setTimeout(() => child.kill('SIGKILL'), 80 * Math.random());
      continue;
    }
    const one = known[line.worker] as Known;
    if (!('done' in line)) one.begin(line);
    else {
      if (one.doubtful?.what === 'put') isNew(one.doubtful.number, numbers, faults);
      one.end(line.done);
      deeds++;
    }
  }
  await exit;
  return deeds;
}

/** What is known of a text that was stored whole: long ones end in dots. */
function shortened(text: string): string {
  const [, name = '', dots = ''] = /^([\d-]+)(\.*)$/.exec(text) ?? [];
  return text.length === name.length + dots.length && (dots === '' || text.length === LONG) ? name : `damaged: ${text}`;
}

/** Holds what is there against what was acknowledged; what is in doubt may have happened or not, and is settled by doing it again. */
async function compare(
  engine: Engine,
  worker: number,
  known: Known,
  numbers: Set<number>,
  faults: string[],
): Promise<void> {
  const fault = (what: string) => faults.push(`worker ${worker}: ${what}`);
  const mine = topic(`crash.${worker}`);
  const { doubtful } = known;
  const read = async () => {
    const entries = await engine.log.read(mine, { limit: 1_000_000 });
    return new Map(entries.map(({ seq, body }) => [seq as number, shortened(Buffer.from(body).toString())]));
  };
  let there = await read();
  const { floor } = await engine.log.bounds(mine);
  const isDropped = doubtful?.what === 'drop' && there.size === 0;
  if (isDropped) known.entries.clear();
  if (doubtful?.what === 'erase' && !there.has(doubtful.seq)) known.entries.delete(doubtful.seq);

  for (const [seq, text] of known.entries) {
    const found = there.get(seq);
    if (found === undefined && seq > floor) fault(`${seq} (${text}) is lost, the floor is ${floor}`);
    else if (found !== undefined && found !== text) fault(`${seq} is ${found}, not ${text}`);
  }
  const others = [...there].filter(([seq]) => !known.entries.has(seq)).map(([, text]) => text);
  const begun = doubtful?.what === 'append' ? doubtful.texts : [];
  // It may have been trimmed as soon as it was there.
  const inOrder = begun.filter((text) => others.includes(text));
  if (others.join() !== inOrder.join()) fault(`there is ${others.join()}, of which ${begun.join()} was begun`);

  if (doubtful?.what === 'append') {
    const again = await engine.log.append(
      begun.map((text) => ({ topic: mine, body: Buffer.from(text), dedup: { key: text, note: text } })),
    );
    there = await read();
    for (const [at, { seq, duplicate }] of again.entries()) {
      const text = begun[at] as string;
      if (others.includes(text) && duplicate?.note !== text) fault(`${text} was there, and was stored again`);
      const { floor } = await engine.log.bounds(mine);
      if (there.get(seq) !== text && seq > floor) fault(`${text} is not at ${seq}`);
      known.entries.set(seq, text);
    }
    const texts = [...there.values()];
    if (new Set(texts).size < texts.length) fault('something is there twice');
  }

  const record = await engine.directory.get(`crash/${worker}`);
  const number = (record?.value as { readonly number: number } | undefined)?.number;
  const possible = [known.number];
  if (doubtful?.what === 'put') possible.push(doubtful.number);
  if (doubtful?.what === 'remove') possible.push(undefined);
  if (!possible.includes(number)) fault(`its record has ${number}, not ${possible.join(' or ')}`);
  if (number !== undefined && number !== known.number) isNew(number, numbers, faults);
  known.number = number;
  known.doubtful = undefined;

  const last = Math.max(0, ...known.entries.keys());
  if (Number(await engine.log.last()) < last) fault(`the last is ${await engine.log.last()}, but there was ${last}`);
  // What is trimmed need not be looked for again.
  for (const seq of known.entries.keys()) if (!there.has(seq)) known.entries.delete(seq);
}

/** A number that was given out is never given out again. */
function isNew(number: number, numbers: Set<number>, faults: string[]): void {
  if (numbers.has(number)) faults.push(`the number ${number} was given out again`);
  numbers.add(number);
}
