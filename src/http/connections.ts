import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';

/** Files that the process has open for itself, or may need at any time: the engine, the log, an accepted connection to be refused. */
const OWN_FILES = 128;

/** So many of the connections are for whoever runs the server, who has to see it whatever happens. */
const FOR_OPERATORS = 64;

/**
 * The connections of a server, and how many there may be: without a limit it would run out of files, and then not even say that it
 * lives.
 */
export class Connections {
  #open = 0;

  /** @param most how many there may be; what comes beyond is closed at once */
  constructor(private readonly most: number) {}

  /** For a process that may have so many files open. */
  static of(files: number): Connections {
    return new Connections(Math.max(files - OWN_FILES, 2 * FOR_OPERATORS));
  }

  /** Whether nothing is to be done for others than operators. */
  get areTooMany(): boolean {
    return this.#open > this.most - FOR_OPERATORS;
  }

  count(server: Server): void {
    if (this.most !== Infinity) server.maxConnections = this.most;
    const closed = () => void this.#open--;
    server.on('connection', (socket) => {
      this.#open++;
      socket.once('close', closed);
    });
  }
}

/** How many files this process may have open; Infinity where that is not known. */
export async function mostOpenFiles(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Infinity);
}
