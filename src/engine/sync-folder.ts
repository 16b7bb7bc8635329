import { open } from 'node:fs/promises';

/** Makes the names of new files in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows does not let a folder be opened, and keeps names without being asked to.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
