import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/**
 * A PATH on which `interchat` is this program, so that what is run from here can run it by its name, however this process was
 * started: by npx, or as a file. Where the PATH that there is does not do, a folder is made that has it, for as long as this
 * process lives.
 * @param main the file that this process was started with
 */
export function ownPath(path: string, main: string): string {
  if (path.split(delimiter).some((folder) => isThis(join(folder, 'interchat'), main))) return path;
  const folder = mkdtempSync(join(tmpdir(), 'interchat-path-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const script = `#!/bin/sh\nexec ${quoted(process.execPath)} ${quoted(realpathSync(main))} "$@"\n`;
  writeFileSync(join(folder, 'interchat'), script, { mode: 0o755 });
  return `${folder}${delimiter}${path}`;
}

function isThis(file: string, main: string): boolean {
  try {
    return realpathSync(file) === realpathSync(main);
  } catch {
    return false;
  }
}

/** As one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
