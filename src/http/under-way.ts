import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { networkOf } from '../hub/access/network.js';
import type { AnswerMemory, Reservation } from './answer-memory.js';
import type { Connections } from './connections.js';
import { HttpProblem } from './problem.js';
import type { RequestMemory } from './request-memory.js';
import { LOOK_EVERY } from './timeouts.js';

/** A request that has ended. */
export interface Ended {
  readonly method: string;
  /** The pattern of its path; undefined where no route has it. */
  readonly route: string | undefined;
  readonly response: ServerResponse;
  readonly milliseconds: number;
}

export interface UnderWayOptions {
  /** What all of them may hold. */
  readonly memory: RequestMemory;
  /** The part of it that answers have. */
  readonly answers: AnswerMemory;
  /** The largest body that is read as a whole, in bytes. */
  readonly maxBody: number;
  /** Milliseconds for which nothing of an answer may be taken. */
  readonly patience: number;
  readonly connections: Connections;
  /** Told why requests are refused, and no more than once in {@link TELL_EVERY}. */
  readonly onOverload: (why: string) => void;
}

/** Paths that are answered however much there is to do: whoever runs the server has to see it, and must not take it for dead. */
const ALWAYS = new Set(['/healthz', '/readyz', '/metrics']);

/** Bytes of an answer that are not worth counting. */
const SMALL_ANSWER = 16 * 1024;

/** Milliseconds between two times that an overload is told of. */
const TELL_EVERY = 10_000;

/** Milliseconds in which an answer is to be taken in full when others need the memory. */
const PATIENCE_WHEN_SHORT = 5000;

const MEMORY = 'The requests under way hold as much memory as they may.';
const CONNECTIONS = 'There are as many connections as the server may have.';

const HELD = Symbol('bytes held');
const RESERVED = Symbol('the memory of its answer');
const UNTAKEN = Symbol('how much of it waits to be taken');

interface Response extends ServerResponse {
  [HELD]?: number;
  [RESERVED]?: Reservation;
  [UNTAKEN]?: { readonly began: number; since: number; bytes: number };
}

/**
 * The requests that have begun and not ended: what a server that stops has to wait for, and what takes memory until then. An
 * open stream is one of them.
 */
export class UnderWay {
  readonly #all = new Set<Response>();
  /** Those of a connection whose answers wait for their turn, behind another. */
  readonly #inLine = new WeakMap<Socket, Set<Response>>();
  #waiting: (() => void)[] = [];
  /** When an overload was last told of. */
  #told = -TELL_EVERY;

  constructor(private readonly options: UnderWayOptions) {}

  /**
   * To be called before anything else that may refuse requests, and after what has to know of those that are refused here.
   * @param ended told of each when it has ended, whether it was answered or broke off
   */
  register(app: FastifyInstance, ended: (request: Ended) => void): void {
    const { memory, maxBody, connections } = this.options;
    app.addHook('onRequest', ({ method, routeOptions: { url }, raw }, reply, done) => {
      const response = reply.raw;
      const { socket } = raw;
      const body = bodyLength(raw, maxBody);
      const why = connections.areTooMany ? CONNECTIONS : memory.hasRoomFor(body) ? undefined : MEMORY;
      const isRefused = why !== undefined && !ALWAYS.has(url ?? '');
      const isInLine = !response.socket;
      if (isRefused) this.#refused(why);
      // What is refused would wait for its turn as well, and take memory as long as that.
      if (isRefused && isInLine) return void socket.destroy();
      this.#all.add(response);
      if (isInLine) this.#lineUp(socket, response);
      if (!isRefused) (response as Response)[HELD] = memory.begin(body);
      this.#follow(response, method, url, ended);
      if (!isRefused) return done();
      // What comes of its body is thrown away at once, and not kept until the answer is out.
      raw.resume();
      if (why === CONNECTIONS) reply.header('connection', 'close');
      done(overloaded(why));
    });
    app.addHook('onSend', (_request, { raw }, payload, done) => {
      const length = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.length : 0;
      const reserved = (raw as Response)[RESERVED];
      if (reserved) reserved.shrinkTo(length);
      else if (length > SMALL_ANSWER) this.#hold(raw, length);
      done();
    });
    const timer = setInterval(() => this.#look(), LOOK_EVERY);
    timer.unref();
    app.addHook('onClose', () => clearInterval(timer));
  }

  /** How many requests of this connection wait for their turn to be answered. */
  inLine(socket: Socket): number {
    return this.#inLine.get(socket)?.size ?? 0;
  }

  /** The memory of the answer to this request: what is reserved is given back when the answer is taken or its caller is gone. */
  reservation(request: Pick<FastifyRequest, 'ip'>, { raw }: Pick<FastifyReply, 'raw'>): Reservation {
    const response = raw as Response;
    const reserved = (response[RESERVED] ??= this.options.answers.reservationFor(networkOf(request.ip)));
    if (response.destroyed) reserved.end();
    return reserved;
  }

  /** It has become a stream, which has limits of its own. One that waits for its turn goes on counting. */
  isStream(response: Response): void {
    if (response.socket) this.#giveBack(response);
  }

  /** Resolves when nothing is under way, or after so many milliseconds. */
  async idle(milliseconds: number): Promise<void> {
    if (this.#all.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #refused(why: string): void {
    const now = performance.now();
    if (now - this.#told < TELL_EVERY) return;
    this.#told = now;
    this.options.onOverload(why);
  }

  /** Apart, so that what waits for the end, which for a stream is far away, holds on to no more than it needs. */
  #follow(response: Response, method: string, route: string | undefined, ended: (request: Ended) => void): void {
    const began = performance.now();
    response.on('close', () => {
      this.#giveBack(response);
      this.#ended(response);
      ended({ method, route, response, milliseconds: performance.now() - began });
    });
  }

  #hold(response: Response, bytes: number): void {
    if (response.destroyed) return;
    response[HELD] = (response[HELD] ?? 0) + bytes;
    this.options.memory.change(bytes);
  }

  #giveBack(response: Response): void {
    const held = response[HELD] ?? 0;
    response[HELD] = 0;
    this.options.memory.change(-held);
    response[RESERVED]?.end();
  }

  #ended(response: Response): void {
    this.#all.delete(response);
    if (this.#all.size > 0) return;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /**
   * Has a response that waits for its turn told when its connection closes, as Node tells only the one whose turn it is.
   */
  #lineUp(socket: Socket, response: Response): void {
    let line = this.#inLine.get(socket);
    if (!line) {
      line = new Set();
      this.#inLine.set(socket, line);
      const all = line;
      socket.once('close', () => all.forEach(breakOff));
    }
    line.add(response);
    const leave = () => line.delete(response);
    response.once('close', leave);
    // Node says so when it is its turn.
    response.once('socket', leave);
  }

  /** Cuts off who does not take what they asked for. Streams are no answers that have ended, and see to that themselves. */
  #look(): void {
    const now = performance.now();
    const { memory, answers, patience } = this.options;
    const isShort = memory.isShort || answers.isStarved;
    for (const response of this.#all) {
      if (!response.writableEnded || !response.socket) continue;
      const bytes = response.writableLength;
      const untaken = (response[UNTAKEN] ??= { began: now, since: now, bytes });
      if (bytes !== untaken.bytes) Object.assign(untaken, { since: now, bytes });
      const isLate = now - untaken.since >= patience;
      if (isLate || (isShort && now - untaken.began >= PATIENCE_WHEN_SHORT)) response.socket.destroy();
    }
  }
}

/** Bytes that will be in memory of it. */
function bodyLength({ headers }: IncomingMessage, most: number): number {
  const length = headers['content-length'];
  if (length !== undefined) return Math.min(Number(length), most);
  return headers['transfer-encoding'] === undefined ? 0 : most;
}

function overloaded(why: string): HttpProblem {
  return new HttpProblem('unavailable', `${why} Nothing was done; try again in a moment.`);
}

function breakOff(response: ServerResponse): void {
  if (response.socket || response.writableFinished || response.destroyed) return;
  response.destroyed = true;
  response.emit('close');
}
