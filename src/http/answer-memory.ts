import type { RequestMemory } from './request-memory.js';

/** The parts of the memory for requests (1 = all of it) that answers may hold. The rest is left to those who send. */
const LARGE = 0.75;
const LARGE_OF_ADDRESS = 0.375;
const OF_ADDRESS = 0.5;
const ALL = 0.875;

/** The part that one large answer may take while it is built. */
const ONE_LARGE = 0.25;

/** How many times the bytes of its entries an answer takes while it is built: the entries, and the text that has all of them. */
const COPIES = 2;

/** Bytes of entries in one page, unless it is one entry: some are as long as a body, and few callers need a thousand of them. */
const PAGE = 8 * 1024 * 1024;

/** Bytes of entries in an answer that counts as small: it does not wait for large ones. */
const SMALL = 256 * 1024;

/** Answers that may wait for memory, for one address and in all. */
const WAITING_OF_ADDRESS = 64;
const WAITING = 1024;

/** Milliseconds after which an answer that waits is refused. */
const PATIENCE = 10_000;

/** Milliseconds for which an answer waits for the answers of other addresses before those have to be taken sooner. */
const STARVED = 1000;

/** Why an answer cannot have memory: its address holds its share, or all addresses together hold theirs. */
export type Shortage = 'address' | 'all';

/** There is no memory for an answer, and too many answers wait already or this one has waited too long. */
export class AnswerRefused extends Error {
  constructor(readonly shortage: Shortage) {
    super(`no memory for an answer: ${shortage}`);
  }
}

interface Waiting {
  readonly reservation: Reservation;
  readonly bytes: number;
  readonly large: boolean;
  readonly since: number;
  readonly settle: (error?: Error) => void;
}

/**
 * Memory for answers, reserved before an answer is read and built, and given back when it is taken or its caller is gone. One
 * address has half of it at most. Answers that find no memory wait: the addresses take turns, and small answers go first.
 */
export class AnswerMemory {
  /** Those that wait, by address; the address whose turn is next is the first. */
  readonly #small = new Map<string, Waiting[]>();
  readonly #large = new Map<string, Waiting[]>();
  readonly #ofAddress = new Map<string, { all: number; large: number; waiting: number }>();
  #largeHeld = 0;
  #held = 0;
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param maxBody the largest body of a request, in bytes */
  constructor(
    private readonly memory: RequestMemory,
    private readonly maxBody: number,
  ) {
    memory.onFreed = () => this.#grantNext();
  }

  /** Bytes of entries in one page, at most, unless it is one entry. */
  get pageBytes(): number {
    return Math.min(PAGE, Math.floor((ONE_LARGE * this.memory.most) / COPIES));
  }

  /** Bytes of entries up to which an answer is small. */
  get smallBytes(): number {
    return Math.min(SMALL, this.pageBytes);
  }

  /** Bytes that all answers hold. */
  get held(): number {
    return this.#held;
  }

  /** Whether an answer has waited for long for the answers of other addresses. */
  get isStarved(): boolean {
    if (this.#waiting === 0) return false;
    const late = performance.now() - STARVED;
    for (const lanes of [this.#small, this.#large]) {
      for (const [first] of lanes.values()) {
        if (first && first.since < late && this.#shortage(first) === 'all') return true;
      }
    }
    return false;
  }

  /** @param address see {@link networkOf} */
  reservationFor(address: string): Reservation {
    return new Reservation(this, address);
  }

  /** The part that {@link Reservation} alone may call. @see Reservation.reserve */
  reserve(reservation: Reservation, entryBytes: number): Promise<void> | undefined {
    const large = entryBytes > this.smallBytes;
    // The last entry may be as long as a body.
    const bytes = Math.min(COPIES * (entryBytes + this.maxBody), LARGE_OF_ADDRESS * this.memory.most);
    const wish = { reservation, bytes, large };
    const lanes = large ? this.#large : this.#small;
    const shortage = lanes.has(reservation.address) ? 'address' : this.#shortage(wish);
    if (shortage === undefined) return void this.set(reservation, bytes, large);
    // Those that wait hold nothing, so that they never wait for each other.
    this.set(reservation, 0, false);
    const waiting = this.#ofAddress.get(reservation.address)?.waiting ?? 0;
    if (waiting >= WAITING_OF_ADDRESS) throw new AnswerRefused('address');
    if (this.#waiting >= WAITING) throw new AnswerRefused('all');
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => (error ? reject(error) : resolve());
      const one: Waiting = { ...wish, since: performance.now(), settle };
      const lane = lanes.get(reservation.address);
      if (lane) lane.push(one);
      else lanes.set(reservation.address, [one]);
      this.#count(reservation.address).waiting++;
      this.#waiting++;
      this.#timer ??= setInterval(() => this.#look(), STARVED).unref();
      this.#grantNext();
    });
  }

  /** Has a reservation hold this many bytes. */
  set(reservation: Reservation, bytes: number, large: boolean): void {
    const of = this.#count(reservation.address);
    const more = bytes - reservation.bytes;
    const moreLarge = (large ? bytes : 0) - (reservation.isLarge ? reservation.bytes : 0);
    of.all += more;
    of.large += moreLarge;
    this.#held += more;
    this.#largeHeld += moreLarge;
    reservation.bytes = bytes;
    reservation.isLarge = large;
    this.#forgetIfIdle(reservation.address);
    if (more !== 0) this.memory.change(more);
    if (more <= 0 && moreLarge < 0) this.#grantNext();
  }

  /** Takes a reservation that waits out of its lane. */
  leave(reservation: Reservation): void {
    for (const lanes of [this.#small, this.#large]) {
      const one = lanes.get(reservation.address)?.find((other) => other.reservation === reservation);
      if (one) this.#refuse(lanes, one);
    }
  }

  #count(address: string) {
    let of = this.#ofAddress.get(address);
    if (!of) this.#ofAddress.set(address, (of = { all: 0, large: 0, waiting: 0 }));
    return of;
  }

  #forgetIfIdle(address: string): void {
    const of = this.#ofAddress.get(address);
    if (of && of.all === 0 && of.waiting === 0) this.#ofAddress.delete(address);
  }

  /** Why it cannot be granted now; undefined if it can. An address that holds nothing can always have one answer of its share. */
  #shortage({ reservation, bytes, large }: Pick<Waiting, 'reservation' | 'bytes' | 'large'>): Shortage | undefined {
    const { most, used } = this.memory;
    const of = this.#ofAddress.get(reservation.address);
    const held = reservation.bytes;
    const heldLarge = reservation.isLarge ? held : 0;
    if (of && of.all - held > 0 && of.all - held + bytes > OF_ADDRESS * most) return 'address';
    if (large && of && of.large - heldLarge > 0 && of.large - heldLarge + bytes > LARGE_OF_ADDRESS * most) {
      return 'address';
    }
    if (large && this.#largeHeld - heldLarge + bytes > LARGE * most) return 'all';
    const others = this.#held - held;
    return others > 0 && (others + bytes > ALL * most || used - held + bytes > most) ? 'all' : undefined;
  }

  /** Grants what can be granted, an answer of each address in turn. */
  #grantNext(): void {
    if (this.#waiting === 0) return;
    for (const lanes of [this.#small, this.#large]) {
      let refused = 0;
      while (lanes.size > refused) {
        const [address, lane] = lanes.entries().next().value as [string, Waiting[]];
        const one = lane[0] as Waiting;
        // To the end: the next address has its turn, whether this one could go or not.
        lanes.delete(address);
        const shortage = this.#shortage(one);
        if (shortage !== undefined) {
          lanes.set(address, lane);
          refused++;
          continue;
        }
        lane.shift();
        if (lane.length > 0) lanes.set(address, lane);
        refused = 0;
        this.#leaves(address);
        this.set(one.reservation, one.bytes, one.large);
        one.settle();
      }
    }
  }

  #leaves(address: string): void {
    this.#count(address).waiting--;
    this.#waiting--;
    this.#forgetIfIdle(address);
    if (this.#waiting > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #refuse(lanes: Map<string, Waiting[]>, one: Waiting): void {
    const { address } = one.reservation;
    const left = lanes.get(address)?.filter((other) => other !== one) ?? [];
    if (left.length > 0) lanes.set(address, left);
    else lanes.delete(address);
    const shortage = this.#shortage(one) ?? 'all';
    this.#leaves(address);
    one.settle(new AnswerRefused(shortage));
  }

  #look(): void {
    const late = performance.now() - PATIENCE;
    for (const lanes of [this.#small, this.#large]) {
      for (const lane of [...lanes.values()]) for (const one of lane) if (one.since < late) this.#refuse(lanes, one);
    }
    this.#grantNext();
  }
}

/** The memory of one answer. */
export class Reservation {
  /** Bytes that it holds, and whether they count as those of a large answer. Only {@link AnswerMemory.set} writes them. */
  bytes = 0;
  isLarge = false;
  #ended = false;

  constructor(
    private readonly memory: AnswerMemory,
    readonly address: string,
  ) {}

  /** Bytes of entries in one page, at most, unless it is one entry. */
  get pageBytes(): number {
    return this.memory.pageBytes;
  }

  /** Bytes of entries up to which an answer is small. */
  get smallBytes(): number {
    return this.memory.smallBytes;
  }

  /**
   * Reserves what an answer takes that is built of this many bytes, instead of what is reserved so far.
   * @returns undefined where there is memory at once. Else a promise that resolves when there is; until then nothing is reserved,
   *   and what was read before must not be kept
   * @throws AnswerRefused, at once or by the promise
   */
  reserve(entryBytes: number): Promise<void> | undefined {
    if (this.#ended) throw new AnswerRefused('address');
    return this.memory.reserve(this, entryBytes);
  }

  /** The answer takes this many bytes, which are known now. */
  shrinkTo(bytes: number): void {
    if (!this.#ended) this.memory.set(this, bytes, this.isLarge);
  }

  /** The answer is taken, or its caller is gone. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.memory.leave(this);
    this.memory.set(this, 0, false);
  }
}
