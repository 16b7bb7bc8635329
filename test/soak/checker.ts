import type { Gap, Target } from '../faults/checker.js';
import { wasTold } from '../faults/checker.js';

/** Milliseconds for which a client must be online before a message that it does not have counts as lost. */
const OVERDUE = 30_000;

/** Ids whose text the checker remembers, to notice an id with two contents; and ids it remembers of each client. */
const REMEMBERED = 200_000;
const REMEMBERED_OF_ONE = 20_000;

/** Violations that are kept word for word; the rest only counts. */
const MOST_WORDS = 200;

export interface CheckerOptions {
  /** Messages that a mailbox or a room keeps. */
  readonly keep: number;
  /** Milliseconds for which a client may be away. */
  readonly grace: number;
  /** When the servers last became available again, in the time of `now`: only from then on a client could come back. */
  readonly availableSince?: () => number;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** A message as a client received it. */
export interface Delivery {
  readonly id: number;
  readonly to: Target;
  readonly text: string;
  readonly late: boolean;
  /** The place in the cursor that came with it; undefined where the reader sees none, and is promised to see nothing twice. */
  readonly place: number | undefined;
}

/** Messages of one sender that are acknowledged, or may be. */
interface Pending {
  readonly book: Book;
  readonly n: number;
  /** Clients that must receive it and have not yet. */
  readonly owing: Set<Life>;
  /** When it was acknowledged; undefined until then. */
  acknowledged: number | undefined;
  /** What went on then. */
  during: string;
}

/** From when to when a client may have been in a room: from the begin of its request to enter to the answer to its request to leave. */
interface Stay {
  readonly began: number;
  /** Infinity while it may be in it. */
  ended: number;
  /** It was answered that it is in the room, and has not asked to leave. */
  isSure: boolean;
}

/**
 * Holds what clients receive against what was sent, while both go on, in bounded memory: it forgets a message when all clients
 * that it was for have it. What it keeps of each is its id, its times and its target, some 30 bytes.
 *
 * The promises: what was acknowledged reaches all it was for, in the order of the log (unless marked `late`), once (but right
 * after a broken connection), and no other client; an id has one content; a key has one message; a `gap` is told exactly where
 * messages went by retention; a client that comes back within its grace time is the same client.
 */
export class Checker {
  readonly counts = { acknowledged: 0, unknown: 0, received: 0, repeats: 0, late: 0, gaps: 0, expired: 0 };
  /** By kind: how many. */
  readonly violations = new Map<string, number>();
  /** In words, each with its time and what went on. */
  readonly words: string[] = [];
  readonly #books = new Map<string, Book>();
  readonly #lives = new Set<Life>();
  readonly #indexes = new Set<number>();
  /** By text: what is under way, and what is acknowledged and has not reached all. */
  readonly #pending = new Map<string, Pending>();
  readonly #byId = new Map<number, string>();
  /** By target: its newest ids, the oldest first. */
  readonly #recent = new Map<Target, number[]>();
  readonly #began: number;
  readonly now: () => number;
  /** What goes on, for the words of a violation. */
  #during = 'the begin';

  constructor(readonly options: CheckerOptions) {
    this.now = options.now ?? (() => performance.now());
    this.#began = this.now();
  }

  /** Has violations from now on say that they were seen during this. */
  during(what: string): void {
    this.#during = `${what} (from ${this.#time()})`;
  }

  /** @param name without a minus or a space */
  book(name: string): Book {
    const book = new Book(this, name);
    this.#books.set(name, book);
    return book;
  }

  /**
   * Messages to this client count from now on.
   * @param mailboxOnly it reads nothing else
   */
  life(index: number, mailboxOnly = false): Life {
    if (this.#indexes.has(index)) this.violate('index', `index ${index} was given to two clients`);
    this.#indexes.add(index);
    const life = new Life(this, index, mailboxOnly);
    this.#lives.add(life);
    return life;
  }

  violate(kind: string, words: string): void {
    this.violations.set(kind, (this.violations.get(kind) ?? 0) + 1);
    if (this.words.length < MOST_WORDS) this.words.push(`${this.#time()} ${kind}: ${words}; during ${this.#during}`);
  }

  /** Counts as lost what a client does not have though it was online for long enough. To be called every few seconds. */
  sweep(): void {
    const now = this.now();
    for (const pending of this.#pending.values()) {
      if (pending.acknowledged === undefined) continue;
      for (const life of pending.owing) {
        if (life.wasTold(pending)) pending.owing.delete(life);
        else if (now - pending.acknowledged > OVERDUE && now - life.onlineSince > OVERDUE) this.#lost(life, pending);
      }
      this.#forgetIfDone(pending);
    }
  }

  /** Whether every client has what it must have. */
  get isSettled(): boolean {
    for (const pending of this.#pending.values()) {
      for (const life of pending.owing) if (life.wasTold(pending)) pending.owing.delete(life);
      if (pending.acknowledged !== undefined && pending.owing.size > 0) return false;
    }
    return true;
  }

  /** Counts as lost whatever is still missing. */
  finish(): void {
    for (const pending of this.#pending.values()) {
      if (pending.acknowledged === undefined) continue;
      for (const life of pending.owing) if (!life.wasTold(pending)) this.#lost(life, pending);
    }
    this.#pending.clear();
  }

  // From here on for Book and Life.

  began(book: Book, n: number, target: Target): void {
    const owing = new Set<Life>();
    for (const life of this.#lives) if (life.mustReceive(target)) owing.add(life);
    const pending = { book, n, owing, acknowledged: undefined, during: this.#during };
    this.#pending.set(book.tag(n), pending);
  }

  acknowledged(book: Book, n: number, id: number): void {
    this.counts.acknowledged++;
    this.#identified(book, n, id);
    const pending = this.#pending.get(book.tag(n));
    if (!pending) return;
    pending.acknowledged = this.now();
    pending.during = this.#during;
    this.#forgetIfDone(pending);
  }

  gaveUp(book: Book, n: number): void {
    this.counts.unknown++;
    this.#pending.delete(book.tag(n));
  }

  received(life: Life, delivery: Delivery): void {
    this.counts.received++;
    const { id, to } = delivery;
    const parsed = parseText(delivery.text);
    const book = parsed && this.#books.get(parsed.book);
    if (!parsed || !book?.hasSent(parsed.n)) {
      this.violate(
        'damaged',
        `client ${life.index} has ${id} with a text that was not sent: ${delivery.text.slice(0, 80)}`,
      );
      return;
    }
    const { n } = parsed;
    const tag = book.tag(n);
    const what = `${id} (${tag} to ${parsed.target})`;
    if (to !== parsed.target || to !== book.targetOf(n)) {
      this.violate('foreign', `client ${life.index} has ${what} as a message to ${to}`);
    } else if (!life.mayReceive(to, book.beganAt(n), book.acknowledgedAt(n))) {
      this.violate('foreign', `client ${life.index} has ${what}, which is not for it`);
    }
    this.#identified(book, n, id);
    life.ordered(delivery, what);
    const pending = this.#pending.get(tag);
    if (!pending) return;
    pending.owing.delete(life);
    this.#forgetIfDone(pending);
  }

  /** A client may no longer receive what is on its way to this target, or to any where there is none. */
  mayMiss(life: Life, target?: Target): void {
    for (const pending of this.#pending.values()) {
      if (pending.acknowledged !== undefined && target !== undefined) continue;
      if (target === undefined || pending.book.targetOf(pending.n) === target) pending.owing.delete(life);
      this.#forgetIfDone(pending);
    }
  }

  owedTo(life: Life): number {
    let count = 0;
    for (const { owing, acknowledged } of this.#pending.values()) {
      if (acknowledged !== undefined && owing.has(life)) count++;
    }
    return count;
  }

  closed(life: Life): void {
    this.mayMiss(life);
    this.#lives.delete(life);
  }

  /** A gap is told only where retention took messages: then as many newer ones are kept as the settings say. */
  gap(life: Life, gap: Gap): void {
    this.counts.gaps++;
    const said = `client ${life.index} was told of the gap ${JSON.stringify(gap)}`;
    if (gap.to === null) return this.violate('false-gap', `${said}, in no topic`);
    const { oldest } = gap;
    const kept = oldest === null ? 0 : (this.#recent.get(gap.to) ?? []).filter((id) => id >= oldest).length;
    if (kept < this.options.keep * 0.8) this.violate('false-gap', `${said}, though only ${kept} newer ones were sent`);
    return undefined;
  }

  #identified(book: Book, n: number, id: number): void {
    const tag = book.tag(n);
    const before = book.identify(n, id);
    if (before === id) return;
    if (before !== 0) return this.violate('twice-stored', `${tag} is stored as ${before} and as ${id}`);
    const other = this.#byId.get(id);
    if (other !== undefined) this.violate('reused-id', `${id} is ${other} and ${tag}`);
    this.#byId.set(id, tag);
    if (this.#byId.size > REMEMBERED) this.#byId.delete(this.#byId.keys().next().value as number);
    const target = book.targetOf(n);
    const recent = this.#recent.get(target) ?? [];
    recent.push(id);
    if (recent.length > this.options.keep * 2) recent.splice(0, this.options.keep);
    this.#recent.set(target, recent);
    return undefined;
  }

  #lost(life: Life, { book, n, acknowledged, during, owing }: Pending): void {
    owing.delete(life);
    const id = book.idOf(n);
    this.violate(
      'lost',
      `client ${life.index} has no ${id} (${book.tag(n)} to ${book.targetOf(n)}), acknowledged at ` +
        `${this.#time(acknowledged)} during ${during}; it is ${life.state}, has had ${life.highest}`,
    );
  }

  #forgetIfDone({ book, n, owing, acknowledged }: Pending): void {
    if (acknowledged !== undefined && owing.size === 0) this.#pending.delete(book.tag(n));
  }

  #time(at = this.now()): string {
    return `${((at - this.#began) / 1000).toFixed(1)}s`;
  }
}

/** What one sender has sent. */
export class Book {
  // Columns, as there are millions of entries.
  readonly #targets: Target[] = [];
  readonly #ids: number[] = [];
  readonly #began: number[] = [];
  readonly #acknowledged: number[] = [];

  constructor(
    private readonly checker: Checker,
    private readonly name: string,
  ) {}

  /**
   * To be called before it is sent.
   * @param length characters of its text at least
   * @returns its number, and what to send
   */
  begin(target: Target, length = 0): { readonly n: number; readonly text: string } {
    const n = this.#targets.push(target) - 1;
    this.#ids.push(0);
    this.#began.push(this.checker.now());
    this.#acknowledged.push(Infinity);
    this.checker.began(this, n, target);
    return { n, text: textOf(this.name, n, target, length) };
  }

  /** It was answered 201, or a line with its id. */
  acknowledged(n: number, id: number): void {
    this.#acknowledged[n] = this.checker.now();
    this.checker.acknowledged(this, n, id);
  }

  /** It will not be sent again, and nothing says whether it was stored. */
  gaveUp(n: number): void {
    this.checker.gaveUp(this, n);
  }

  tag(n: number): string {
    return `${this.name}-${n}`;
  }

  hasSent(n: number): boolean {
    return n < this.#targets.length;
  }

  targetOf(n: number): Target {
    return this.#targets[n] as Target;
  }

  idOf(n: number): number {
    return this.#ids[n] as number;
  }

  /** @returns the id that it had before; 0 where none was known */
  identify(n: number, id: number): number {
    const before = this.#ids[n] as number;
    if (before === 0) this.#ids[n] = id;
    return before;
  }

  beganAt(n: number): number {
    return this.#began[n] as number;
  }

  /** Infinity where it is not. */
  acknowledgedAt(n: number): number {
    return this.#acknowledged[n] as number;
  }
}

/** What one client receives, on however many connections, for as long as it is the same client. */
export class Life {
  /** The highest id it has had. */
  highest = 0;
  /** Since when its stream is open, Infinity where it is not. */
  onlineSince = Infinity;
  readonly #made: number;
  readonly #stays = new Map<Target, Stay[]>();
  /** By id: on which connection it came. */
  readonly #seen = new Map<number, number>();
  readonly #last = new Map<Target, number>();
  readonly #gaps: Gap[] = [];
  #connection = 0;
  /** A message behind all before has come on this connection. */
  #isFresh = false;
  #place = 0;
  #lostAt: number;
  #isClosed = false;

  constructor(
    private readonly checker: Checker,
    readonly index: number,
    private readonly mailboxOnly: boolean,
  ) {
    this.#made = checker.now();
    this.#lostAt = this.#made;
  }

  get state(): string {
    return this.onlineSince === Infinity ? 'away' : 'online';
  }

  /** It has asked to enter this room. */
  enters(room: string): void {
    const stays = this.#staysIn(room);
    if (stays.at(-1)?.ended === Infinity) return;
    stays.push({ began: this.checker.now(), ended: Infinity, isSure: false });
  }

  /** It was answered that it is in. */
  entered(room: string): void {
    const stay = this.#staysIn(room).at(-1);
    if (stay) stay.isSure = true;
  }

  /** It has asked to leave this room. */
  exits(room: string): void {
    const stay = this.#staysIn(room).at(-1);
    if (!stay?.isSure) return;
    stay.isSure = false;
    this.checker.mayMiss(this, `room ${room}`);
  }

  /** It was answered that it is out. */
  exited(room: string): void {
    const stay = this.#staysIn(room).at(-1);
    if (stay) stay.ended = this.checker.now();
  }

  /** Its stream was opened: by whom the server takes it, and whether as one that it knows. @returns whether it is still this one */
  welcomed(index: number, resumed: boolean): boolean {
    if (index !== this.index || (this.#connection > 0 && !resumed)) {
      this.gone(`it came back as ${index}, ${resumed ? '' : 'not '}resumed`);
      return false;
    }
    this.#connection++;
    this.#isFresh = false;
    this.onlineSince = this.checker.now();
    return true;
  }

  /** Its stream broke. */
  lost(): void {
    if (this.onlineSince === Infinity) return;
    this.onlineSince = Infinity;
    this.#lostAt = this.checker.now();
  }

  /** The server does not know it any more; wrong but where it was away for longer than its grace time. */
  gone(how: string): void {
    if (this.#isClosed) return;
    const { now, options } = this.checker;
    const since = Math.max(this.#lostAt, options.availableSince?.() ?? 0);
    const away = this.onlineSince === Infinity ? now() - since : 0;
    if (away > options.grace * 0.75) this.checker.counts.expired++;
    else {
      const owed = this.checker.owedTo(this);
      this.checker.violate(
        'identity',
        `client ${this.index} is gone (${how}) after ${(away / 1000).toFixed(1)} s, with ${owed} messages that were acknowledged`,
      );
    }
    this.close();
  }

  /** Nothing is expected of it any more. */
  close(): void {
    this.#isClosed = true;
    this.checker.closed(this);
  }

  received(delivery: Delivery): void {
    if (!this.#isClosed) this.checker.received(this, delivery);
  }

  gap(gap: Gap): void {
    if (this.#isClosed) return;
    this.#gaps.push(gap);
    if (this.#gaps.length > 1_000) this.#gaps.shift();
    this.checker.gap(this, gap);
  }

  // From here on for the checker.

  wasTold({ book, n }: Pick<Pending, 'book' | 'n'>): boolean {
    return wasTold(this.#gaps, { id: book.idOf(n), to: book.targetOf(n) });
  }

  mustReceive(target: Target): boolean {
    if (target === 'everyone') return !this.mailboxOnly;
    if (target === `client ${this.index}`) return true;
    return this.#stays.get(target)?.at(-1)?.isSure ?? false;
  }

  /** Whether a message of this time may be for it. */
  mayReceive(target: Target, began: number, acknowledged: number): boolean {
    if (target === 'everyone') return true;
    if (target.startsWith('client ')) return target === `client ${this.index}`;
    return this.#stays.get(target)?.some((stay) => stay.began <= acknowledged && began <= stay.ended) ?? false;
  }

  ordered({ id, to, late, place }: Delivery, what: string): void {
    const before = this.#seen.get(id);
    if (before !== undefined) {
      if (place !== undefined && before < this.#connection && !this.#isFresh) this.checker.counts.repeats++;
      else this.checker.violate('repeated', `client ${this.index} has ${what} again, after ${this.highest}`);
      return;
    }
    this.#seen.set(id, this.#connection);
    if (this.#seen.size > REMEMBERED_OF_ONE) this.#seen.delete(this.#seen.keys().next().value as number);
    // What is late may come among repeats.
    if (id > this.highest) this.#isFresh = true;
    const last = this.#last.get(to) ?? 0;
    if (late) this.checker.counts.late++;
    if (id < last) this.checker.violate('swapped', `client ${this.index} has ${what} after ${last} to the same`);
    else if (id < this.highest && !late) {
      this.checker.violate('order', `client ${this.index} has ${what} after ${this.highest}, not marked as late`);
    }
    if (place !== undefined && (place < this.#place || place < id)) {
      this.checker.violate('cursor', `client ${this.index} has ${what} with the cursor ${place} after ${this.#place}`);
    }
    this.#last.set(to, Math.max(last, id));
    this.highest = Math.max(this.highest, id);
    this.#place = Math.max(this.#place, place ?? 0);
  }

  #staysIn(room: string): Stay[] {
    const target = `room ${room}`;
    const stays = this.#stays.get(target) ?? [];
    this.#stays.set(target, stays);
    return stays;
  }
}

/** A text says which message it is, whom it is for, and how long it is, so that none passes for another. */
function textOf(book: string, n: number, target: Target, length: number): string {
  return `${book}-${n}>${target}|${length}|`.padEnd(length, 'x');
}

function parseText(text: string): { readonly book: string; readonly n: number; readonly target: Target } | undefined {
  const [, book, n, target, length] = /^(\w+)-(\d+)>([^|]+)\|(\d+)\|/.exec(text) ?? [];
  if (book === undefined || n === undefined || target === undefined) return undefined;
  return textOf(book, Number(n), target, Number(length)) === text ? { book, n: Number(n), target } : undefined;
}
