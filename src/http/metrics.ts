import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Hub } from '../hub/hub.js';
import type { StreamObserver } from '../stream/event-stream.js';

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** What the server counts, for Prometheus. Nothing here is labelled by client: there may be a hundred thousand. */
export class Metrics implements StreamObserver {
  readonly registry = new Registry();
  readonly #accepted: Counter;
  readonly #deliveries: Counter;
  readonly #deliverySeconds: Histogram;
  readonly #closes: Counter<'reason'>;
  readonly #appendSeconds: Histogram;
  readonly #requests: Counter<'method' | 'route' | 'status'>;

  constructor() {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#accepted = new Counter({
      name: 'interchat_messages_accepted_total',
      help: 'Messages acknowledged to their senders.',
      registers,
    });
    this.#deliveries = new Counter({
      name: 'interchat_deliveries_total',
      help: 'Messages handed to the sockets of streams.',
      registers,
    });
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
    this.#appendSeconds = new Histogram({
      name: 'interchat_append_seconds',
      help: 'From handing messages to the log to their being durable.',
      buckets: SECONDS,
      registers,
    });
    this.#requests = new Counter({
      name: 'interchat_http_requests_total',
      help: 'Requests answered.',
      labelNames: ['method', 'route', 'status'],
      registers,
    });
  }

  /** Shows how many clients and streams this hub has, counted when somebody asks. */
  observe(hub: Hub): void {
    const registers = [this.registry];
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

  accepted(count: number): void {
    this.#accepted.inc(count);
  }

  delivered(count: number, seconds: number | null): void {
    this.#deliveries.inc(count);
    if (seconds !== null) this.#deliverySeconds.observe(seconds);
  }

  closed(reason: string): void {
    this.#closes.inc({ reason });
  }

  appended(seconds: number): void {
    this.#appendSeconds.observe(seconds);
  }

  answered(method: string, route: string, status: number): void {
    this.#requests.inc({ method, route, status });
  }
}
