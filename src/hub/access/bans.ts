import { BlockList, isIP } from 'node:net';
import type { Directory } from '../../engine/engine.js';
import { Banned, InvalidRequest, NotFound } from '../errors.js';
import { Records } from '../records.js';
import { parseRange } from './network.js';
import { makeId } from './secret-text.js';

/** Who is kept out: a subject (see {@link Clients.ofSubject}), or an address or range of addresses. */
export type BanTarget =
  { readonly subject: string; /** What people call it. */ readonly name: string } | { readonly address: string };

/** Times are milliseconds since 1970. */
export interface Ban {
  readonly id: string;
  readonly target: BanTarget;
  readonly until: number;
  readonly reason: string | null;
  /** Who did it. */
  readonly by: string;
  readonly createdAt: number;
}

type Kept = Omit<Ban, 'id'>;

/** Who is kept out, and until when. */
export class Bans {
  readonly #records: Records<Kept>;
  readonly #subjects = new Map<string, number>();
  #addresses: { readonly list: BlockList; readonly until: number }[] = [];

  private constructor(
    directory: Directory,
    private readonly now: () => number,
  ) {
    this.#records = new Records(directory, 'ban/');
  }

  /** @param banned told of each that is there at first, and of each new one, wherever it was made */
  static async open(directory: Directory, now: () => number, banned: () => void): Promise<Bans> {
    const bans = new Bans(directory, now);
    await bans.#records.open((_id, kept) => {
      bans.#gather();
      if (kept) banned();
    });
    return bans;
  }

  /** Durable when it resolves. */
  async add(ban: Kept): Promise<Ban> {
    const id = makeId();
    await this.#records.create(id, ban);
    return { id, ...ban };
  }

  /** Those that hold, the newest first. */
  list(): Ban[] {
    return this.#records
      .entries()
      .filter(([, { until }]) => until > this.now())
      .map(([id, kept]) => ({ id, ...kept }))
      .sort((a, b) => b.createdAt - a.createdAt);
  }

  /** @throws NotFound */
  require(id: string): Ban {
    const ban = this.list().find((one) => one.id === id);
    if (!ban) throw new NotFound('There is no such ban: it may be over.');
    return ban;
  }

  /** Durable when it resolves. */
  async lift(id: string): Promise<void> {
    await this.#records.remove(id);
  }

  /** Forgets what is over. */
  async sweep(): Promise<void> {
    for (const [id, { until }] of this.#records.entries()) if (until <= this.now()) await this.lift(id);
  }

  /** @throws Banned */
  assertAddress(address: string | undefined): void {
    if (this.#addresses.length === 0 || address === undefined) return;
    const version = isIP(address);
    if (version === 0) return;
    for (const { list, until } of this.#addresses) {
      if (until > this.now() && list.check(address, version === 4 ? 'ipv4' : 'ipv6')) {
        throw new Banned('This address', until);
      }
    }
  }

  /** @throws Banned */
  assertSubject(subject: string): void {
    const until = this.#subjects.get(subject);
    if (until !== undefined && until > this.now()) throw new Banned('Who this is', until);
  }

  close(): void {
    this.#records.close();
  }

  #gather(): void {
    this.#subjects.clear();
    this.#addresses = [];
    for (const { target, until } of this.list()) {
      if ('address' in target) this.#addresses.push({ list: rangeOf(target.address), until });
      else this.#subjects.set(target.subject, Math.max(until, this.#subjects.get(target.subject) ?? 0));
    }
  }
}

/** @throws InvalidRequest for what is neither an address nor a range */
export function assertRange(text: string): void {
  rangeOf(text);
}

function rangeOf(text: string): BlockList {
  const range = parseRange(text);
  if (!range) throw new InvalidRequest('address', 'must be an address, or a range such as 192.0.2.0/24');
  const list = new BlockList();
  // An IPv4 address counts where it is mapped into IPv6, too.
  list.addSubnet(range.address, range.bits, range.version === 4 ? 'ipv4' : 'ipv6');
  return list;
}
