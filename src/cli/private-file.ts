import { open, rename } from 'node:fs/promises';

/**
 * Keeps a text in a file that only its owner can read. It is on the disk when this resolves, and at no time is there half of it.
 * @throws what the file system says
 */
export async function writePrivately(file: string, text: string): Promise<void> {
  const next = `${file}.new`;
  const handle = await open(next, 'w', 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(next, file);
}
