import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { openFileSource } from '../../dist/engine/file/source.js';
import { openNewFileTarget } from '../../dist/engine/file/target.js';
import { openLmdbBackupSource } from '../../dist/engine/lmdb/archive-source.js';
import { openLmdbEngine } from '../../dist/engine/lmdb/index.js';
import { move } from '../../dist/engine/move.js';

/**
 * Reads all that a data folder has, as a server does, then backs it up. Prints a line for each: a digest of what it read, or
 * the error. A process of its own, since LMDB may end it.
 */
const { folder, topics, retention } = JSON.parse(process.argv[2]);

async function attempt(what, read) {
  let outcome;
  try {
    outcome = {
      digest: createHash('sha256')
        .update(JSON.stringify(await read()))
        .digest('hex'),
    };
  } catch (error) {
    outcome = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify({ what, ...outcome })}\n`);
}

await attempt('read', async () => {
  const engine = await openLmdbEngine({ folder, retention });
  try {
    const { log, directory } = engine;
    const found = [];
    for (const topic of topics) {
      // Page by page, as histories are read, from both ends.
      const pages = [];
      for (let after = 0; ;) {
        const page = await log.read(topic, { after, limit: 50 });
        pages.push(...page.map(described));
        if (page.length < 50) break;
        after = page.at(-1).seq;
      }
      const newest = await log.read(topic, { limit: 20, newest: true });
      found.push([topic, pages, newest.map(described), await log.count(topic, 0), await log.bounds(topic)]);
    }
    const records = [];
    await directory.watch('', ({ key, record }) => records.push([key, record.value]));
    found.push(records, await log.last(), await directory.allocated('client'), log.epoch);
    const health = engine.health();
    if (health !== null) throw new Error(`not well: ${health}`);
    return found;
  } finally {
    await engine.close();
  }
});

await attempt('backup', async () => {
  const path = join(folder, 'backup');
  await rm(path, { force: true });
  const source = await openLmdbBackupSource(folder);
  try {
    await move(source, () => openNewFileTarget(path));
  } finally {
    await source.close();
  }
  const file = await openFileSource(path);
  const { epoch, last, series } = await file.summary();
  const [floors, records, entries] = [[], [], []];
  for await (const floor of file.floors()) floors.push(floor);
  for await (const record of file.records()) records.push(record);
  for await (const { appendedAt, ...entry } of file.entries(0)) entries.push([appendedAt, described(entry)]);
  await file.close();
  return [{ epoch, last, series }, floors, records, entries];
});
process.exit();

function described({ seq, topic, body, expiresAt }) {
  return [seq, topic, Buffer.from(body).toString('hex'), expiresAt];
}
