import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { ArchiveUnusable } from '../archive.js';
import type { Seq } from '../engine.js';
import { Digest, isSealed, readHeader, readLine } from './format.js';
import { linesOf } from './lines.js';
import type { Output, Written } from './output.js';

/** Bytes read at a time. */
const CHUNK = 1024 * 1024;

/** What the line of an entry begins with; it need not be parsed to be told from others. */
const ENTRY = Buffer.from('{"seq":');
const FLOOR = Buffer.from('{"topic":');
const RECORD = Buffer.from('{"key":');

const LINE_FEED = Buffer.from('\n');

/**
 * A file for its owner alone, since what tokens are signed with is in it. One that is there already is gone on with behind its
 * last whole entry; nothing else is ever written over.
 */
export class FileOutput implements Output {
  /** Where the next line goes. */
  #end = 0;

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /** @throws ArchiveUnusable when it cannot be written */
  static async open(path: string): Promise<FileOutput> {
    try {
      return new FileOutput(path, await open(path, constants.O_RDWR | constants.O_CREAT, 0o600));
    } catch (error) {
      throw new ArchiveUnusable(`${path} cannot be written: ${(error as Error).message}.`, { cause: error });
    }
  }

  async begin(header: string): Promise<Written> {
    const found = await this.file.stat();
    if (!found.isFile()) throw new ArchiveUnusable(`${this.path} is no file. To write to standard output, give -.`);
    if (found.size === 0 || (found.size < header.length && (await this.#hasBegun(header, found.size)))) {
      await this.file.chmod(0o600);
      await this.file.truncate(0);
      await this.write(header);
      return { finished: false, entries: 0, after: 0 as Seq };
    }
    return this.#goOn(header);
  }

  async write(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await this.file.write(bytes, at, bytes.length - at, this.#end).catch((error: Error) => {
        throw new ArchiveUnusable(
          `${this.path} cannot be written: ${error.message}. Run this again when it can: it goes on where it was.`,
          { cause: error },
        );
      });
      at += bytesWritten;
      this.#end += bytesWritten;
    }
  }

  settle(): Promise<void> {
    return this.file.sync();
  }

  close(): Promise<void> {
    return this.file.close();
  }

  /** Whether there is nothing but the first bytes of the header. */
  async #hasBegun(header: string, size: number): Promise<boolean> {
    const { buffer } = await this.file.read(Buffer.alloc(size), 0, size, 0);
    return header.startsWith(buffer.toString());
  }

  /** Finds where the entries end. Without one, not all floors and records may be there: they come anew then. */
  async #goOn(header: string): Promise<Written> {
    const counts = { entries: 0, floors: 0, records: 0 };
    const digest = new Digest();
    let number = 0;
    let last: Buffer | undefined;
    let headerEnd = 0;
    let end = 0;
    for await (const line of linesOf(this.#chunks())) {
      if (++number === 1) {
        this.#assertSame(line, header);
        headerEnd = end = line.length + 1;
        continue;
      }
      if (!isSealed(line)) throw this.#damaged(number);
      if (begins(line, ENTRY)) {
        counts.entries++;
        last = line;
      } else if (begins(line, FLOOR)) counts.floors++;
      else if (begins(line, RECORD)) counts.records++;
      else {
        const read = readLine(line);
        if (read?.kind !== 'end' || read.digest !== digest.text) throw this.#damaged(number);
        return { finished: true, entries: counts.entries, after: 0 as Seq };
      }
      digest.add(line);
      digest.add(LINE_FEED);
      end += line.length + 1;
    }
    if (number === 0) throw this.#foreign();
    const read = last && readLine(last);
    if (last && read?.kind !== 'entry') throw this.#damaged(number);
    // After the last whole line there may be a part of a line.
    this.#end = read ? end : headerEnd;
    await this.file.truncate(this.#end);
    if (read?.kind !== 'entry') return { finished: false, entries: 0, after: 0 as Seq };
    const { entries, floors, records } = counts;
    return { finished: false, entries, after: read.entry.seq, rows: { floors, records, digest } };
  }

  async *#chunks(): AsyncIterable<Buffer> {
    for (let at = 0; ;) {
      const { buffer, bytesRead } = await this.file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  #assertSame(found: Buffer, header: string): void {
    if (`${found.toString()}\n` === header) return;
    const [old, now] = [readHeader(found), readHeader(Buffer.from(header.trimEnd()))];
    if (old === undefined) throw this.#foreign();
    if (old === 'damaged') throw this.#damaged(1);
    if (!old.summary || old.kind === undefined) {
      throw new ArchiveUnusable(
        `${this.path} was begun by another version of InterChat. Remove it, or give another file.`,
      );
    }
    if (old.kind === 'backup') throw new ArchiveUnusable(`${this.path} is a backup. Give another file.`);
    if (typeof now === 'object' && old.summary.epoch === now.summary?.epoch) {
      throw new ArchiveUnusable(
        `${this.path} is an export of the same data at another time: something was changed since. Remove it, or give another file.`,
      );
    }
    throw new ArchiveUnusable(`${this.path} is an archive of other data (another epoch). Give another file.`);
  }

  #foreign(): ArchiveUnusable {
    return new ArchiveUnusable(`${this.path} is there already and is not an archive of InterChat. Give another file.`);
  }

  #damaged(line: number): ArchiveUnusable {
    return new ArchiveUnusable(
      `${this.path} is damaged: line ${line} is not what an archive has there. Remove it, or give another file.`,
    );
  }
}

function begins(line: Buffer, prefix: Buffer): boolean {
  return line.length >= prefix.length && prefix.compare(line, 0, prefix.length) === 0;
}
