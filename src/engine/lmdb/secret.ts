import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineUnusable } from '../engine.js';

const LENGTH = 32;

/**
 * The secret that a data folder keeps, readable by its owner alone; made on the first start. It is written whole under another
 * name first, so that a crash never leaves half of one behind.
 * @throws EngineUnusable when there is one that is too short to be one
 */
export async function keptSecret(folder: string): Promise<Buffer> {
  const path = pathIn(folder);
  const kept = await readSecret(folder);
  if (kept) return kept;
  const draft = await writeDraft(path, randomBytes(LENGTH).toString('base64url'));
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  return (await readSecret(folder)) ?? keptSecret(folder);
}

/**
 * The secret of a data folder, undefined where it keeps none.
 * @throws EngineUnusable when there is one that is too short to be one
 */
export async function readSecret(folder: string): Promise<Buffer | undefined> {
  const path = pathIn(folder);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new EngineUnusable(
      `Cannot read the secret: ${(error as Error).message}. Make ${path} readable for this user.`,
    );
  }
  const secret = Buffer.from(text.trim(), 'base64url');
  if (secret.length < LENGTH) {
    throw new EngineUnusable(
      `${path} holds no secret. Restore it from a backup, or remove it: all tokens will be void then.`,
    );
  }
  return secret;
}

/** Has a data folder keep this secret, base64url, instead of the one it may have. */
export async function keepSecret(folder: string, secret: string): Promise<void> {
  const path = pathIn(folder);
  await rename(await writeDraft(path, secret), path);
}

async function writeDraft(path: string, secret: string): Promise<string> {
  const draft = `${path}.${process.pid}`;
  // A process of this number that was killed may have left it, as a second name of the secret itself.
  await rm(draft, { force: true });
  await writeFile(draft, `${secret}\n`, { mode: 0o600, flush: true });
  return draft;
}

function pathIn(folder: string): string {
  return join(folder, 'secret');
}
