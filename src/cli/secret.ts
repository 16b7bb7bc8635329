import { randomBytes } from 'node:crypto';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineUnusable } from '../engine/engine.js';

const LENGTH = 32;

/**
 * The secret that a data folder keeps, readable by its owner alone; made on the first start. It is written whole under another
 * name first, so that a crash never leaves half of one behind.
 * @throws EngineUnusable when there is one that is too short to be one
 */
export async function keptSecret(folder: string): Promise<Buffer> {
  const path = join(folder, 'secret');
  const kept = await read(path);
  if (kept) return kept;
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${randomBytes(LENGTH).toString('base64url')}\n`, { mode: 0o600, flush: true });
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(draft);
  }
  return (await read(path)) ?? keptSecret(folder);
}

async function read(path: string): Promise<Buffer | undefined> {
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
