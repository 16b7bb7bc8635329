import { createHash, randomBytes } from 'node:crypto';
import { Conflict, EngineUnusable, type Json } from '../engine.js';
import type { Bucket } from './bucket.js';

/** By name as given to `interchat serve`: what has to be the same on all nodes. */
export type SharedSettings = Readonly<Record<string, number | string>>;

const SETTINGS = 'settings';
export const SECRET = 'secret';

/** What is kept of the secret: itself where InterChat made it, otherwise only what tells it from another. */
export type KeptSecret = { readonly made: string } | { readonly fingerprint: string };

/** What this node was given, and must have in common with all others. */
export interface Given {
  /** Undefined where they do not matter. */
  readonly settings: SharedSettings | undefined;
  /** Secrets by the names of their settings, of which only fingerprints are kept. Never print or log them. */
  readonly secrets: Readonly<Record<string, string | undefined>>;
  /** What tokens are signed with; undefined to sign with what the others do. */
  readonly secret: string | undefined;
}

/** What this node was given, as it is compared with what the bucket has. */
export class Agreement {
  readonly #settings: SharedSettings | undefined;
  #kept: KeptSecret | undefined;

  /** @param epoch of the log, so that fingerprints say nothing about other logs */
  constructor(
    private readonly given: Given,
    private readonly epoch: string,
  ) {
    const fingerprints = Object.entries(given.secrets).flatMap(([name, secret]) =>
      secret === undefined ? [] : [[name, fingerprint(secret, epoch)] as const],
    );
    this.#settings = given.settings && { ...given.settings, ...Object.fromEntries(fingerprints) };
  }

  /**
   * Compares what this node was given with what the nodes that run have; where none runs, its own is what counts from now on.
   * @returns what to sign with
   * @throws EngineUnusable that names what is different
   */
  async reach(bucket: Bucket, othersRun: () => boolean): Promise<string | Buffer> {
    if (this.#settings)
      await agree<SharedSettings>(bucket, SETTINGS, this.#settings, (theirs) => {
        const difference = this.#differenceIn(theirs);
        if (difference === undefined) return theirs;
        if (!othersRun()) return undefined;
        throw new EngineUnusable(`${difference} Give theirs, or stop all nodes before starting one with another.`);
      });
    const { secret } = this.given;
    const mine: KeptSecret =
      secret === undefined
        ? { made: randomBytes(32).toString('base64url') }
        : { fingerprint: fingerprint(secret, this.epoch) };
    this.#kept = await agree<KeptSecret>(bucket, SECRET, mine, (theirs) => {
      if (secret === undefined && 'made' in theirs) return theirs;
      if (secret === undefined) {
        throw new EngineUnusable(
          'The tokens of this InterChat are signed with a secret that was given to its nodes. Give it: --secret or INTERCHAT_SECRET.',
        );
      }
      if (this.#isSame(theirs)) return theirs;
      if (!othersRun()) return undefined;
      throw new EngineUnusable(
        `${OTHER_SECRET} Give theirs, or stop all nodes before starting one with another: all tokens will be void then.`,
      );
    });
    return secret ?? Buffer.from('made' in this.#kept ? this.#kept.made : '', 'base64url');
  }

  /**
   * Calls back when another node has put other settings, or another secret, in the place of those of this node: it took this
   * one for dead, as it stood still or was cut off.
   */
  watch(bucket: Bucket, onDifference: (reason: string) => void): void {
    bucket.watch((key, kept) => {
      if (!kept) return;
      const difference =
        key === SETTINGS
          ? this.#differenceIn(kept.value as SharedSettings)
          : key === SECRET && !this.#isSame(kept.value as unknown as KeptSecret)
            ? OTHER_SECRET
            : undefined;
      if (difference !== undefined) onDifference(`${difference} They were started while this node did not answer.`);
    });
  }

  #differenceIn(theirs: SharedSettings): string | undefined {
    const mine = this.#settings;
    if (!mine) return undefined;
    const name = [...new Set([...Object.keys(mine), ...Object.keys(theirs)])].find(
      (each) => mine[each] !== theirs[each],
    );
    if (name === undefined) return undefined;
    if (Object.hasOwn(this.given.secrets, name))
      return `--${name} is not the same here as on the nodes that run: it must be the same on all.`;
    return `--${name} is ${shown(mine[name])} here and ${shown(theirs[name])} on the nodes that run: it must be the same on all.`;
  }

  #isSame(theirs: KeptSecret): boolean {
    const { secret } = this.given;
    if (secret === undefined) return 'made' in theirs && (!this.#kept || isEqual(this.#kept, theirs));
    return 'made' in theirs ? theirs.made === secret : theirs.fingerprint === fingerprint(secret, this.epoch);
  }
}

const OTHER_SECRET = 'The secret given here is not the one of the nodes that run: it must be the same on all.';

function isEqual(one: KeptSecret, other: KeptSecret): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function shown(value: number | string | undefined): string {
  return value === undefined ? 'not set' : String(value);
}

/** @param compare gives what is there if that will do, undefined to replace it */
async function agree<Value>(
  bucket: Bucket,
  key: string,
  mine: Value,
  compare: (theirs: Value) => Value | undefined,
): Promise<Value> {
  for (;;) {
    const kept = await bucket.read(key);
    const agreed = kept && compare(kept.value as Value);
    if (agreed !== undefined) return agreed;
    try {
      await bucket.put(key, mine as Json, kept?.revision ?? null);
      return mine;
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
  }
}

function fingerprint(secret: string, epoch: string): string {
  return createHash('sha256').update(`interchat secret ${epoch} ${secret}`).digest('base64url');
}
