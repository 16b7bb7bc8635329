import { Conflict } from '../engine.js';
import type { Bucket } from './bucket.js';
import { LEASE, type NatsLeases } from './leases.js';
import type { Link } from './link.js';
import type { Names } from './names.js';

/** Under which each node that runs is noted in the bucket, so that who starts knows whom to wait for. */
export const NODE = 'node.';

/** How long the others may take to have heard of a change, in milliseconds. */
const HEARD_WITHIN = 1_000;

/** After this many milliseconds a change that another node asks for has been lost on its way, and is read. */
const LATE = HEARD_WITHIN / 4;

/** Between two looks at who has answered, in milliseconds. */
const LOOK_EVERY = 10;

/** How long after a failure a node waits before it notes itself again, in milliseconds. */
const NOTE_AGAIN = 1_000;

/** The nodes that make up one InterChat. */
export class Nodes {
  #leaving = false;

  constructor(
    private readonly link: Link,
    private readonly names: Names,
    private readonly bucket: Bucket,
    private readonly leases: NatsLeases,
  ) {}

  /**
   * Joins the others; resolves when it is known what each of those alive holds. Those that are noted and do not answer while
   * their lease lasts are dead.
   */
  async join(): Promise<void> {
    const { link, names, bucket, leases } = this;
    link.nc.subscribe(names.node(leases.node, 'reach'), {
      callback: (error, message) => {
        if (error) return;
        const answer = () => message.respond();
        // The node that asks goes on without an answer after a second. From before that until the change is here, streams must
        // not be given what is sent after it.
        const late = setTimeout(() => link.doubt(), LATE).unref();
        // Who does not answer is not waited for.
        bucket
          .reached(Number(message.string()))
          .then(answer, () => undefined)
          .finally(() => clearTimeout(late));
      },
    });
    leases.open();
    await bucket.put(NODE + leases.node, { since: Date.now() }, null);
    // The others forget a node that stood still; without a note they would not ask it before they remove a client.
    bucket.watch((key, kept) => {
      if (key === NODE + leases.node && !kept) void this.#note();
    });
    const until = performance.now() + LEASE;
    const noted = notedIn(bucket).filter((node) => node !== leases.node);
    while (performance.now() < until && !noted.every((node) => leases.knows(node))) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
    }
  }

  /** Resolves when all others that are alive have this sequence of the bucket, or have had the time for it. */
  async reachedByAll(seq: number): Promise<void> {
    const ask = (node: string) =>
      this.link.nc.request(this.names.node(node, 'reach'), String(seq), { timeout: HEARD_WITHIN });
    // Who does not answer is dead, or will catch up by itself.
    await Promise.allSettled(this.leases.others().map(ask));
  }

  async leave(): Promise<void> {
    this.#leaving = true;
    // Where that fails, others find out that it is gone.
    await this.bucket.remove(NODE + this.leases.node).catch(() => undefined);
    this.leases.close();
  }

  async #note(): Promise<void> {
    while (!this.#leaving) {
      try {
        await this.bucket.put(NODE + this.leases.node, { since: Date.now() }, null);
        return;
      } catch (error) {
        if (error instanceof Conflict) return;
        await new Promise((resolve) => setTimeout(resolve, NOTE_AGAIN).unref());
      }
    }
  }
}

/** The nodes that are noted as running at the moment of the call. @throws EngineUnavailable */
export async function notedNodes(bucket: Bucket): Promise<readonly string[]> {
  await bucket.catchUp();
  return notedIn(bucket);
}

function notedIn(bucket: Bucket): string[] {
  return [...bucket.all(NODE)].map(([key]) => key.slice(NODE.length));
}
