/** What scrypt costs (RFC 7914, section 2): 128 · 2^ln · r bytes of memory, and as much work p times over. */
export interface ScryptCost {
  /** The logarithm of N to the base 2. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** What is kept of a password. */
export interface PasswordRecord {
  readonly cost: ScryptCost;
  readonly salt: Buffer;
  /** {@link KEY_BYTES} long. */
  readonly key: Buffer;
}

export const KEY_BYTES = 32;

/** What a record may ask for at the most: it may come from a file that somebody imported. */
const MEMORY_MOST = 256 * 1024 * 1024;
const P_MOST = 16;

const RECORD = /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d?),p=([1-9]\d?)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})$/;

/** The bytes of memory that scrypt needs at this cost. */
export function memoryOf({ ln, r }: ScryptCost): number {
  return 128 * 2 ** ln * r;
}

/**
 * A record as one text, in the PHC string format: `$scrypt$ln=17,r=8,p=1$SALT$KEY`, both in Base64 without padding.
 * @see https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md
 */
export function formatRecord({ cost: { ln, r, p }, salt, key }: PasswordRecord): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(key)}`;
}

/** What such a text says; undefined when it is no record, or one that asks for too much. */
export function parseRecord(text: string): PasswordRecord | undefined {
  const match = RECORD.exec(text);
  if (!match) return undefined;
  const [, ln, r, p, salt = '', key = ''] = match;
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  if (memoryOf(cost) > MEMORY_MOST || cost.p > P_MOST) return undefined;
  return { cost, salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') };
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
