import { Buffer } from 'node:buffer';
import { writeSync } from 'node:fs';
import process from 'node:process';
import { openLmdbEngine } from '../../dist/engine/lmdb/index.js';

/**
 * Uses a data folder until it is killed. Each of several workers has a topic and a record of its own, and does one thing after
 * another with them; all do so at once. It says what it is about to do, and then that it is done, each in a line of JSON.
 * Lines are written at once, so that none is lost with the process.
 */
const LONG = 60_000;
const { folder, retention, kept } = JSON.parse(process.argv[2]);
const engine = await openLmdbEngine({ folder, retention });
writeSync(1, '"open"\n');
await Promise.all(kept.map((mine, worker) => work(worker, mine)));

async function work(worker, { topic, seqs, next }) {
  const key = `crash/${worker}`;
  let revision = (await engine.directory.get(key))?.revision ?? null;
  for (let n = next; ; n++) {
    const chance = Math.random();
    if (chance < 0.7 || seqs.length === 0) {
      const texts = Array.from({ length: 1 + Math.floor(Math.random() * 20) }, (_, at) => `${worker}-${n}-${at}`);
      say({ worker, n, what: 'append', texts });
      const appended = await engine.log.append(
        texts.map((text, at) => {
          // Some are long, so that the file grows by leaps.
          const body = Buffer.from(at % 8 === 3 ? text.padEnd(LONG, '.') : text);
          return { topic, body, dedup: { key: text, note: text } };
        }),
      );
      seqs.push(...appended.map(({ seq }) => seq));
      say({ worker, n, done: appended.map(({ seq }) => seq) });
    } else if (chance < 0.8) {
      const [seq] = seqs.splice(Math.floor(Math.random() * seqs.length), 1);
      say({ worker, n, what: 'erase', seq });
      await engine.log.erase(topic, seq);
      say({ worker, n, done: null });
    } else if (chance < 0.82) {
      say({ worker, n, what: 'drop' });
      await engine.log.drop(topic);
      seqs.length = 0;
      say({ worker, n, done: null });
    } else if (chance < 0.9 && revision !== null) {
      say({ worker, n, what: 'remove' });
      await engine.directory.remove(key);
      revision = null;
      say({ worker, n, done: null });
    } else {
      const number = await engine.directory.allocate('crash');
      say({ worker, n, what: 'put', number });
      revision = await engine.directory.put(key, { number }, revision);
      say({ worker, n, done: null });
    }
  }
}

function say(line) {
  writeSync(1, `${JSON.stringify(line)}\n`);
}
