import { ExitCode } from './exit-code.js';

/** Writes to standard output; resolves when that has taken it. */
export function write(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

/** A line for people on standard error, so that standard output has nothing but what was asked for. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/**
 * Whoever reads standard output may stop reading: `interchat list | head -1` ends quietly, as others do. So it does when the
 * terminal is closed (EIO). Any other reason, such as a full disk, is said. That nobody reads standard error ends nothing.
 */
export function endWhenPipeCloses(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'EIO') process.exit(ExitCode.done);
    note(`interchat: Standard output cannot be written: ${error.message}.`);
    process.exit(ExitCode.failed);
  });
  process.stderr.on('error', () => undefined);
}
