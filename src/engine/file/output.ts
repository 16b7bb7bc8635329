import type { Seq } from '../engine.js';
import type { Digest } from './format.js';

/** What an earlier run has written. */
export interface Written {
  readonly finished: boolean;
  readonly entries: number;
  /** The place of the last entry, 0 when there is none. */
  readonly after: Seq;
  /** How many floors and records there are, and of all lines after the header; undefined where they are to be written yet. */
  readonly rows?: { readonly floors: number; readonly records: number; readonly digest: Digest };
}

/** What takes the lines of an archive. */
export interface Output {
  /**
   * Writes the header, or finds it and what was written behind it.
   * @throws ArchiveUnusable for what is not of the same archive
   */
  begin(header: string): Promise<Written>;
  write(text: string): Promise<void>;
  /** Resolves when everything that was written is durable. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export class PipeOutput implements Output {
  constructor(readonly write: (text: string) => Promise<void>) {}

  async begin(header: string): Promise<Written> {
    await this.write(header);
    return { finished: false, entries: 0, after: 0 as Seq };
  }

  async settle(): Promise<void> {}

  async close(): Promise<void> {}
}
