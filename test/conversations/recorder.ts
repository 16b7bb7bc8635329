import type { Seq } from '../../src/engine/engine.js';
import type { Delivery } from '../../src/hub/feeds.js';
import { type CloseReason, Connection, type Hub, type Identity, type Stream } from '../../src/hub/hub.js';
import type { Address } from '../../src/hub/topics.js';
import { waitFor } from '../support/wait.js';

/** What was told to be missing: messages to this address, or to any, between these places. */
export interface Gap {
  readonly after: Seq;
  readonly oldest: Seq | null;
  readonly to: Address | null;
}

/** A stream that keeps what it is given, to be looked at. */
export class Recorder implements Stream {
  readonly seqs: Seq[] = [];
  readonly gaps: Gap[] = [];
  closed: CloseReason | undefined;
  failure: unknown;

  private constructor(
    private readonly hub: Hub,
    private readonly connection: Connection,
    private position: Seq,
  ) {}

  /** Opens a stream of this client; resolves when all that was kept for it has been given to it. */
  static async open(hub: Hub, { index, position }: Pick<Identity, 'index' | 'position'>): Promise<Recorder> {
    const recorder = new Recorder(hub, new Connection(index), position);
    await hub.openStream({ position }, false, recorder.connection, () => recorder);
    return recorder;
  }

  /** Up to where it has read: from there it is resumed. */
  get cursor(): Seq {
    return this.position;
  }

  deliver({ seq }: Delivery): void {
    if (seq === null) return;
    this.seqs.push(seq);
    this.position = seq;
  }

  gap(after: Seq, oldest: Seq | null, to: Address | null): void {
    this.gaps.push({ after, oldest, to });
  }

  ready(): undefined {
    return undefined;
  }

  broken(error: unknown): void {
    this.failure = error;
  }

  presence(): void {
    // Nobody asked for it.
  }

  read(): void {
    // Nobody looks at it.
  }

  invited(): void {
    // Nobody looks at it.
  }

  gone(): void {
    // It was this that said so.
  }

  close(reason: CloseReason): void {
    this.closed = reason;
    this.drop();
  }

  /** Breaks the connection. */
  drop(): void {
    this.hub.disconnected(this.connection);
  }

  /** Resolves once it has so many messages. */
  async has(count: number): Promise<void> {
    await waitFor(async () => this.seqs.length >= count);
  }
}
