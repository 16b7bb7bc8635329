import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { InvalidRequest } from '../errors.js';
import {
  formatRecord,
  KEY_BYTES,
  memoryOf,
  parseRecord,
  type PasswordRecord,
  type ScryptCost,
} from './password-record.js';
import { Turns } from './turns.js';

/** What the OWASP Password Storage Cheat Sheet asks for: 128 MiB, and some half second of one core. */
const COST: ScryptCost = { ln: 17, r: 8, p: 1 };

const SALT_BYTES = 16;

const LEAST = 8;
const MOST = 1024;

/** One at a time in this process, as each takes 128 MiB; the loop of events goes on meanwhile. */
const TURNS = new Turns({ most: 64, mostPerLane: 4, secondsEach: 0.5 });

/** Stands in for the record of who has none. No password fits: its key is no outcome of scrypt but chance. */
const NOBODY: PasswordRecord = { cost: COST, salt: randomBytes(SALT_BYTES), key: randomBytes(KEY_BYTES) };

/**
 * Holds that this may be a password: 8 to 1024 characters, whatever they are. Rules for which they have to be make passwords
 * easier to guess, not harder (NIST SP 800-63B-3, section 5.1.1.2 and appendix A).
 *
 * @param path the field it came in, named in the refusal
 * @throws InvalidRequest
 */
export function checkPassword(password: string, path = 'password'): void {
  // Half of a surrogate pair has no UTF-8: all of them would become one character, and so one password.
  if (/\p{Cs}/u.test(password)) throw new InvalidRequest(path, 'must be Unicode text, without lone surrogates');
  const { length } = [...normalize(password)];
  if (length < LEAST || length > MOST) {
    throw new InvalidRequest(path, `must be ${LEAST} to ${MOST} characters; any will do, and spaces too`);
  }
}

/**
 * Makes and checks what is kept of a password, by scrypt (RFC 7914).
 *
 * Whoever waits for a turn does so in a lane, such as {@link networkOf} the address it came from: the lanes take turns, four
 * may wait in each, and 64 in all.
 */
export class Passwords {
  readonly #turns: Turns;
  readonly #cost: ScryptCost;

  /**
   * @param turns those of the process, but in a test of its own
   * @param cost what OWASP asks for, but in tests that are about something else
   */
  constructor(turns = TURNS, cost: ScryptCost = COST) {
    this.#turns = turns;
    this.#cost = cost;
  }

  /**
   * What is to be kept of a password: one text, different each time.
   * @throws InvalidRequest for what is no password; TooManyAttempts when too many wait already
   */
  async hash(password: string, lane: string): Promise<string> {
    checkPassword(password);
    const salt = randomBytes(SALT_BYTES);
    const key = await this.#turns.take(lane, () => derive(password, salt, this.#cost));
    return formatRecord({ cost: this.#cost, salt, key });
  }

  /**
   * Whether it is the password of which this was kept. For an account that is not there, `stored` is undefined: that takes as
   * long as a wrong password, so that the time does not tell which accounts there are. What is no record counts as none.
   *
   * @throws TooManyAttempts when too many wait already, which says nothing about the password
   */
  async verify(password: string, stored: string | undefined, lane: string): Promise<boolean> {
    const { cost, salt, key } = (stored === undefined ? undefined : parseRecord(stored)) ?? {
      ...NOBODY,
      cost: this.#cost,
    };
    const derived = await this.#turns.take(lane, () => derive(password, salt, cost));
    return timingSafeEqual(derived, key);
  }

  /** Whether it was kept at another cost than today's. Once it was verified, the password is at hand to keep it anew. */
  needsRehash(stored: string): boolean {
    const kept = parseRecord(stored)?.cost;
    const { ln, r, p } = this.#cost;
    return kept?.ln !== ln || kept.r !== r || kept.p !== p;
  }
}

/**
 * One form of what looks and is typed alike: the same key gives `é` as one character or as two, depending on the system, and a
 * space may be a wide one. NIST SP 800-63B-3, section 5.1.1.2, asks for NFKC or NFKD; the OpaqueString of RFC 8265, section 4.2, for
 * NFC and plain spaces, both of which NFKC brings about.
 */
function normalize(password: string): string {
  return password.normalize('NFKC');
}

function derive(password: string, salt: Buffer, cost: ScryptCost): Promise<Buffer> {
  // What scrypt takes beside the memory of its name is small; a limit as tight as that would refuse its own parameters.
  const options = { N: 2 ** cost.ln, r: cost.r, p: cost.p, maxmem: 2 * memoryOf(cost) };
  return new Promise((resolve, reject) => {
    scrypt(normalize(password), salt, KEY_BYTES, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
