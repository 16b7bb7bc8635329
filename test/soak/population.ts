import { setTimeout as pause } from 'node:timers/promises';
import type { Target } from '../faults/checker.js';
import { ask } from '../support/http.js';
import type { Deployment } from './deployment.js';
import { GRACE } from './deployment.js';
import { Poller, PresenceReader, RawReader, SdkReader, type SoakReader, type Surroundings } from './readers.js';

export const ROOMS = ['r0', 'r1', 'r2', 'r3'];

/** How many clients of each kind there are. */
const COUNTS = { raw: 20, sdk: 8, poll: 6, flap: 8, move: 8, presence: 4 };

export type Kind = keyof typeof COUNTS;
export const KINDS = Object.keys(COUNTS) as Kind[];

/** Milliseconds that a client stays away at the most: it must come back within the grace time, and has some left to do so. */
const AWAY = GRACE * 1_000 * 0.6;

/** Milliseconds between two changes of what a client does, at the most. */
const STEP = 2_000;

/** Milliseconds that LIST may take. */
const TIMEOUT = 5_000;

/** Milliseconds in which lists must become right when nothing changes any more. */
const QUIET = 20_000;

/** The clients of a soak. Some come and go, some move between rooms, some keep lists. */
export class Population {
  readonly readers: SoakReader[] = [];
  readonly #raw: RawReader[] = [];
  readonly #flapping: RawReader[] = [];
  readonly #moving: RawReader[] = [];
  readonly #presence: PresenceReader[] = [];
  readonly #loops: Promise<void>[] = [];
  /** Clients that are away by their own will, or in the midst of entering or leaving. */
  #busy = 0;
  #calm = false;
  #stopped = false;

  constructor(
    private readonly deployment: Deployment,
    surroundings: Surroundings,
    kinds: readonly Kind[],
    private readonly random: () => number,
  ) {
    const { nodes, proxy, balancer } = deployment;
    for (const kind of kinds) {
      for (let n = 0; n < COUNTS[kind]; n++) {
        // Half of them through the bad network, but for those that must come back in time.
        const isFair = n % 2 === 0 || kind === 'flap';
        const urls = isFair ? nodes : [proxy.url];
        if (kind === 'sdk') this.readers.push(new SdkReader(surroundings, isFair ? balancer : proxy.url));
        else if (kind === 'poll') this.readers.push(new Poller(surroundings));
        else if (kind === 'presence') this.#add(new PresenceReader(surroundings, urls, n), this.#presence);
        else
          this.#add(
            new RawReader(surroundings, urls, n),
            kind === 'flap' ? this.#flapping : kind === 'move' ? this.#moving : undefined,
          );
      }
    }
    for (const [n, reader] of this.#raw.entries()) {
      if (!this.#moving.includes(reader)) this.#loops.push(this.#stay(reader, ROOMS[n % ROOMS.length] as string));
    }
    this.#loops.push(...this.#flapping.map((reader) => this.#flap(reader)));
    this.#loops.push(...this.#moving.map((reader) => this.#move(reader)));
    this.#loops.push(...this.#presence.map((reader) => this.#list(reader)));
  }

  /** What to send to next. */
  target(): Target {
    const which = this.random();
    if (which > 0.97) return 'everyone';
    if (which > 0.6) return `room ${ROOMS[Math.floor(this.random() * ROOMS.length)]}`;
    const reader = this.readers[Math.floor(this.random() * this.readers.length)];
    return reader?.life ? `client ${reader.life.index}` : `room ${ROOMS[0]}`;
  }

  /** Clients that do not receive, though they want to. */
  get offline(): string[] {
    return this.readers
      .filter((reader) => !reader.isOnline && !this.#flapping.includes(reader as RawReader))
      .map((reader) => `${reader.constructor.name} ${reader.life?.index ?? '(new)'}`);
  }

  /**
   * Nobody comes, goes or moves for a while: then the lists of those who keep one must equal LIST.
   * @returns how they differ in the end
   */
  async compareLists(): Promise<string[]> {
    if (this.#presence.length === 0) return [];
    this.#calm = true;
    try {
      const until = performance.now() + QUIET;
      for (;;) {
        const differences = await this.#differences();
        if (differences.length === 0) return [];
        if (performance.now() > until) return differences;
        await pause(200);
      }
    } finally {
      this.#calm = false;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.readers.map((reader) => reader.stop()), ...this.#loops]);
  }

  /** All are there for the rest: nobody moves or goes any more. */
  async settle(): Promise<void> {
    this.#calm = true;
    while (this.#busy > 0) await pause(50);
  }

  async #differences(): Promise<string[]> {
    if (this.#busy > 0) return [`${this.#busy} clients are not back, or in the midst of a move`];
    const node = this.deployment.nodes[0];
    const asking = ask(`${node}/clients?limit=1000`).catch(() => undefined);
    const answer = await Promise.race([asking, pause(TIMEOUT, undefined, { ref: false })]);
    if (answer?.status !== 200) return [`LIST was answered ${answer?.status ?? 'nothing'}`];
    const { clients } = answer.json as { clients: Parameters<PresenceReader['differences']>[0] };
    return this.#presence.flatMap((reader) =>
      reader.differences(clients).map((difference) => `client ${reader.index} has of ${difference}`),
    );
  }

  #add<Reader extends RawReader>(reader: Reader, some?: Reader[]): void {
    this.readers.push(reader);
    this.#raw.push(reader);
    some?.push(reader);
  }

  async #pause(milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds;
    while (!this.#stopped && performance.now() < until) await pause(100);
  }

  /** Is in one room; enters it again where it became another client. */
  async #stay(reader: RawReader, room: string): Promise<void> {
    let entered: SoakReader['life'];
    while (!this.#stopped) {
      const { life } = reader;
      if (life && life !== entered && reader.isWelcome) {
        await reader.enter(room);
        if (reader.life === life) entered = life;
      }
      await pause(100);
    }
  }

  async #flap(reader: RawReader): Promise<void> {
    while (!this.#stopped) {
      await this.#pause(1_000 + this.random() * 3 * STEP);
      if (this.#calm || this.#stopped || !reader.isWelcome) continue;
      this.#busy++;
      reader.goAway();
      const until = performance.now() + 100 + this.random() ** 2 * AWAY;
      while (!this.#stopped && !this.#calm && performance.now() < until) await pause(50);
      reader.comeBack();
      while (!this.#stopped && !reader.isWelcome) await pause(50);
      this.#busy--;
    }
    reader.stop();
  }

  async #move(reader: RawReader): Promise<void> {
    let own: SoakReader['life'];
    const rooms = new Set<string>();
    while (!this.#stopped) {
      await this.#pause(100 + this.random() * STEP);
      if (this.#calm || this.#stopped || !reader.isWelcome) continue;
      if (own !== reader.life) rooms.clear();
      own = reader.life;
      const room = ROOMS[Math.floor(this.random() * ROOMS.length)] as string;
      this.#busy++;
      if (rooms.delete(room)) await reader.exit(room);
      else {
        await reader.enter(room);
        rooms.add(room);
      }
      this.#busy--;
    }
  }

  async #list(reader: PresenceReader): Promise<void> {
    while (!this.#stopped) {
      await this.#pause(200 + this.random() * 3_000);
      if (!this.#stopped && !this.#calm) await reader.ask();
    }
  }
}
