import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Hub } from '../hub/hub.js';
import type { StreamObserver } from '../stream/event-stream.js';

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** What the server counts, for Prometheus. Nothing here is labelled by client: there may be a hundred thousand. */
export class Metrics implements StreamObserver {
  readonly registry = new Registry();
  readonly #deliverySeconds: Histogram;
  readonly #closes: Counter<'reason'>;
  readonly #gaps: Counter;
  readonly #appendSeconds: Histogram;
  #accepted = 0;
  #deliveries = 0;
  /** How many requests were answered, by route, then by method and status. */
  readonly #requests = new Map<string, Map<string, Answered>>();

  constructor() {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    // What is counted with every message or request is a number here, and told when somebody asks.
    counter(
      registers,
      'interchat_messages_accepted_total',
      'Messages acknowledged to their senders.',
      () => this.#accepted,
    );
    counter(
      registers,
      'interchat_deliveries_total',
      'Messages handed to the sockets of streams.',
      () => this.#deliveries,
    );
    this.#deliverySeconds = new Histogram({
      name: 'interchat_delivery_seconds',
      help: 'From the commit of a message to the write that delivers it, per write to a stream.',
      buckets: SECONDS,
      registers,
    });
    this.#closes = new Counter({
      name: 'interchat_stream_closes_total',
      help: 'Streams that ended, by reason; "gone" is the other side closing.',
      labelNames: ['reason'],
      registers,
    });
    this.#gaps = new Counter({
      name: 'interchat_gaps_total',
      help: 'Times that a stream was told of messages it has not had and that are no longer kept.',
      registers,
    });
    this.#appendSeconds = new Histogram({
      name: 'interchat_append_seconds',
      help: 'From handing messages to the log to their being durable.',
      buckets: SECONDS,
      registers,
    });
    const requests = () => [...this.#requests.values()].flatMap((one) => [...one.values()]);
    new Counter({
      name: 'interchat_http_requests_total',
      help: 'Requests answered.',
      labelNames: ['method', 'route', 'status'],
      registers,
      collect() {
        this.reset();
        for (const { count, ...labels } of requests()) this.inc(labels, count);
      },
    });
  }

  /** Shows what this is: by the name of the engine, such as `lmdb`. */
  describe(version: string, engine: string): void {
    const info = new Gauge({
      name: 'interchat_build_info',
      help: '1, labelled by the version of InterChat and by its engine.',
      labelNames: ['version', 'engine'],
      registers: [this.registry],
    });
    info.set({ version, engine }, 1);
  }

  /**
   * Shows the room that the data folder takes and has left, and the commit under way, looked up when they are asked for.
   * @param committingFor seconds that a commit has been under way, 0 where there is none
   */
  observeStore(room: () => Promise<StoreRoom>, committingFor: () => number): void {
    const registers = [this.registry];
    const commits = new Gauge({
      name: 'interchat_store_commits',
      help: 'Commits under way in the data folder: 0 or 1.',
      registers,
    });
    new Gauge({
      name: 'interchat_store_commit_seconds',
      help: 'For how long the commit under way has waited for the disk; 0 where there is none. Above 5 the server is not ready.',
      registers,
      collect() {
        const seconds = committingFor();
        this.set(seconds);
        commits.set(seconds > 0 ? 1 : 0);
      },
    });
    const free = new Gauge({
      name: 'interchat_store_free_bytes',
      help: 'Bytes that are free on the disk of the data folder.',
      registers,
    });
    new Gauge({
      name: 'interchat_store_bytes',
      help: 'Bytes that the data folder takes.',
      registers,
      async collect() {
        // A disk that cannot be asked is no reason to show nothing of the rest.
        const { taken, left } = await room().catch(() => ({ taken: NaN, left: NaN }));
        this.set(taken);
        free.set(left);
      },
    });
  }

  /** Shows how this hub is, and how many clients and streams it has, looked up when somebody asks. */
  observe(hub: Hub): void {
    const registers = [this.registry];
    new Gauge({
      name: 'interchat_ready',
      help: '1 while messages can be taken and delivered, otherwise 0: /readyz and the log say why.',
      registers,
      collect() {
        this.set(hub.health() === null ? 1 : 0);
      },
    });
    new Gauge({
      name: 'interchat_streams',
      help: 'Streams open in this process.',
      registers,
      collect() {
        this.set(hub.streams);
      },
    });
    new Gauge({
      name: 'interchat_rooms',
      help: 'Rooms there are.',
      registers,
      collect() {
        this.set(hub.clients.rooms.size);
      },
    });
    new Gauge({
      name: 'interchat_clients',
      help: 'Clients there are, by status.',
      labelNames: ['status'],
      registers,
      collect() {
        const { online } = hub.clients;
        this.set({ status: 'online' }, online);
        this.set({ status: 'away' }, hub.clients.size - online);
      },
    });
  }

  /** Shows how much is used of the memory that some may have together, and how much that may be, looked up when somebody asks. */
  observeMemory(memories: Readonly<Record<'requests' | 'streams', Memory>>): void {
    const gauge = (name: string, help: string, value: keyof Memory) =>
      new Gauge({
        name,
        help,
        labelNames: ['by'],
        registers: [this.registry],
        collect() {
          for (const [by, memory] of Object.entries(memories)) this.set({ by }, memory[value]);
        },
      });
    gauge('interchat_memory_bytes', 'Bytes that all requests under way hold, and that wait for all streams.', 'used');
    gauge('interchat_memory_limit_bytes', 'The most that interchat_memory_bytes may be.', 'most');
  }

  accepted(count: number): void {
    this.#accepted += count;
  }

  delivered(count: number, seconds: number | null): void {
    this.#deliveries += count;
    if (seconds !== null) this.#deliverySeconds.observe(seconds);
  }

  closed(reason: string): void {
    this.#closes.inc({ reason });
  }

  missed(): void {
    this.#gaps.inc();
  }

  appended(seconds: number): void {
    this.#appendSeconds.observe(seconds);
  }

  answered(method: string, route: string, status: number): void {
    let answers = this.#requests.get(route);
    if (!answers) this.#requests.set(route, (answers = new Map<string, Answered>()));
    const key = `${method} ${status}`;
    const answered = answers.get(key);
    if (answered) answered.count++;
    else answers.set(key, { method, route, status, count: 1 });
  }
}

/** In bytes. */
interface Memory {
  readonly used: number;
  readonly most: number;
}

/** In bytes. */
export interface StoreRoom {
  readonly taken: number;
  readonly left: number;
}

interface Answered {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  count: number;
}

/** A counter that is asked for its value when somebody looks. */
function counter(registers: Registry[], name: string, help: string, value: () => number): void {
  new Counter({
    name,
    help,
    registers,
    collect() {
      this.reset();
      this.inc(value());
    },
  });
}
