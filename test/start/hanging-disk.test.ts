import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { preloaded } from '../faults/preloaded.js';
import { EventReader } from '../support/event-reader.js';
import { temporaryFolder } from '../support/folder.js';
import { ask } from '../support/http.js';
import { type ServerProcess, spawnServer } from '../support/server.js';
import { waitFor } from '../support/wait.js';

t.jobs = 3;

/** A disk that can be made to hang. */
interface Disk {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  hang(): Promise<unknown>;
  go(): Promise<unknown>;
}

/** One of which every write and sync waits. */
async function hangingDisk(t: Test): Promise<Disk | undefined> {
  const library = await preloaded(t, 'hanging-disk.c');
  if (library === undefined) return undefined;
  const root = await temporaryFolder(t);
  const signal = join(root, 'hang');
  return {
    folder: join(root, 'data'),
    env: { LD_PRELOAD: library, HANGING_DISK: signal },
    hang: () => writeFile(signal, ''),
    go: () => rm(signal, { force: true }),
  };
}

/** A file system of its own that can be frozen, as for a snapshot; the test is skipped, and says so, where it cannot be made. */
async function frozenDisk(t: Test): Promise<Disk | undefined> {
  const root = await temporaryFolder(t);
  const [image, mounted] = [join(root, 'image'), join(root, 'mounted')];
  const sh = (command: string, ...args: string[]) => promisify(execFile)(command, args);
  try {
    await mkdir(mounted);
    await sh('truncate', '-s', '64M', image);
    await sh('mkfs.ext4', '-q', image);
    await sh('mount', '-o', 'loop', image, mounted);
  } catch (error) {
    t.plan(0, `NOT TESTED, as no file system can be made here: ${(error as Error).message.trim()}`);
    return undefined;
  }
  const go = () => sh('fsfreeze', '-u', mounted).catch(() => undefined);
  t.teardown(async () => {
    await go();
    await sh('umount', '-l', mounted);
  });
  return { folder: join(mounted, 'data'), env: {}, hang: () => sh('fsfreeze', '-f', mounted), go };
}

const send = (server: ServerProcess, text: string, key = text) =>
  ask(`${server.url}/clients/1/messages`, { json: { text }, headers: { 'idempotency-key': key } });

const metric = async (server: ServerProcess, name: string) =>
  Number(new RegExp(`^${name} (.*)$`, 'm').exec((await ask(`${server.url}/metrics`)).text)?.[1]);

for (const [name, make] of [
  ['does not end a write', hangingDisk],
  ['is frozen', frozenDisk],
] as const) {
  void t.test(`a disk that ${name}, and goes on`, async (t) => {
    const disk = await make(t);
    if (!disk) return;
    const { folder, env } = disk;
    const server = await spawnServer(t, { folder, env });
    const stream = await EventReader.open(t, `${server.url}/events?name=alice`);
    const { token } = (await stream.next()).data as { token: string };
    t.equal((await send(server, 'before')).status, 201);
    await disk.hang();

    const waiting = ['first', 'second'].map((text) => send(server, text));
    await waitFor(async () => (await metric(server, 'interchat_store_commits')) === 1);
    const later = send(server, 'later');
    for (const answer of [...(await Promise.all(waiting)), await later, await send(server, 'at-once')]) {
      t.match([answer.status, answer.json.code], [503, 'unavailable'], answer.text);
      t.ok(Number(answer.headers['retry-after']) > 0);
    }
    const ready = await ask(`${server.url}/readyz`);
    t.equal(ready.status, 503);
    t.match(ready.text, /has not answered for \d+ seconds/);
    t.ok((await metric(server, 'interchat_store_commit_seconds')) > 4);
    t.equal(await metric(server, 'interchat_ready'), 0);
    for (let n = 0; n < 3; n++) {
      t.equal((await ask(`${server.url}/healthz`)).status, 200);
      t.equal((await ask(`${server.url}/clients`)).json.total, 1, 'LIST');
      const mailbox = await ask(`${server.url}/clients/1/messages`, { token });
      t.equal((mailbox.json.messages as unknown[]).length, 1, 'reading works, of what was durable before');
    }

    await disk.go();
    await waitFor(async () => (await ask(`${server.url}/readyz`)).status === 200);
    // Whether those that were refused happened, the key finds out.
    for (const text of ['first', 'second', 'later', 'at-once', 'after']) {
      const answer = await send(server, text);
      t.equal(answer.status, 201, answer.text);
    }
    await stream.until(({ events }) => events.at(-1)?.data.text === 'after');
    const came = stream.events.slice(1).map(({ data }) => data.text as string);
    t.equal(came[0], 'before');
    t.same(came.toSorted(), ['after', 'at-once', 'before', 'first', 'later', 'second'], 'each once');
    t.equal(await server.end('SIGTERM'), 0);
  });
}

void t.test('SIGTERM while the disk does not end a write', async (t) => {
  const disk = await hangingDisk(t);
  if (!disk) return;
  const { folder, env } = disk;
  const server = await spawnServer(t, { folder, env });
  const { json } = await ask(`${server.url}/clients`, { method: 'POST' });
  t.equal((await send(server, 'acknowledged')).status, 201);
  await disk.hang();
  const waiting = send(server, 'waits');
  await waitFor(async () => (await metric(server, 'interchat_store_commits')) === 1);
  const began = performance.now();
  const code = await server.end('SIGTERM');
  t.ok(performance.now() - began < 10_000, 'it ends within 10 seconds');
  t.not(code, 0);
  t.match(server.output(), /\ninterchat: The disk of the data folder does not answer[^\n]+\n$/);
  t.equal((await waiting).status, 503);
  await disk.go();
  const next = await spawnServer(t, { folder });
  const mailbox = await ask(`${next.url}/clients/1/messages`, { token: String(json.token) });
  t.equal((mailbox.json.messages as { text: string }[])[0]?.text, 'acknowledged');
  t.equal(await next.end('SIGTERM'), 0);
});
