import { createHash, randomBytes } from 'node:crypto';
import { Conflict, EngineUnusable, type Json } from '../engine.js';
import type { Bucket } from './bucket.js';

/** By name as given to `interchat serve`: what has to be the same on all nodes. */
export type SharedSettings = Readonly<Record<string, number | string>>;

const SETTINGS = 'settings';
export const SECRET = 'secret';

/** What is kept of the secret: itself where InterChat made it, otherwise only what tells it from another. */
export type KeptSecret = { readonly made: string } | { readonly fingerprint: string };

/**
 * Compares the settings of this node with those of the nodes that run; where none does, its own are the ones from now on.
 * @throws EngineUnusable that names what is different
 */
export async function agreeOnSettings(bucket: Bucket, mine: SharedSettings, othersRun: () => boolean): Promise<void> {
  await agree<SharedSettings>(bucket, SETTINGS, mine, (theirs) => {
    const name = Object.keys(mine).find((each) => mine[each] !== theirs[each]);
    if (name === undefined) return mine;
    if (!othersRun()) return undefined;
    throw new EngineUnusable(
      `--${name} is ${mine[name]} here and ${theirs[name] ?? 'not set'} on the nodes that run: it must be the same on all. ` +
        'Give theirs, or stop all nodes before starting one with another.',
    );
  });
}

/**
 * Finds out what to sign with: what this node was given, if that is what the others sign with; else what is kept for all.
 * @param given undefined to take what the others have, or to make one where there are none
 * @throws EngineUnusable when the others have another
 */
export async function agreeOnSecret(
  bucket: Bucket,
  epoch: string,
  given: string | undefined,
  othersRun: () => boolean,
): Promise<string | Buffer> {
  const mine: KeptSecret =
    given === undefined ? { made: randomBytes(32).toString('base64url') } : fingerprint(given, epoch);
  const agreed = await agree<KeptSecret>(bucket, SECRET, mine, (theirs) => {
    if (given === undefined && 'made' in theirs) return theirs;
    if (given === undefined) {
      throw new EngineUnusable(
        'The tokens of this InterChat are signed with a secret that was given to its nodes. Give it: --secret or INTERCHAT_SECRET.',
      );
    }
    const same =
      'made' in theirs ? theirs.made === given : theirs.fingerprint === (mine as { fingerprint: string }).fingerprint;
    if (same) return theirs;
    if (!othersRun()) return undefined;
    throw new EngineUnusable(
      'The secret given here is not the one of the nodes that run: it must be the same on all. ' +
        'Give theirs, or stop all nodes before starting one with another: all tokens will be void then.',
    );
  });
  return given ?? Buffer.from('made' in agreed ? agreed.made : '', 'base64url');
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

function fingerprint(secret: string, epoch: string): KeptSecret {
  return { fingerprint: createHash('sha256').update(`interchat secret ${epoch} ${secret}`).digest('base64url') };
}
