import { isUtf8 } from 'node:buffer';
import { PassThrough } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Acting } from '../hub/acting.js';
import { HubError } from '../hub/errors.js';
import type { Outgoing, Sent } from '../hub/sending.js';
import { NDJSON_TYPE, parseJson } from './bodies.js';
import type { Context } from './context.js';
import { type Line, LineSplitter } from './lines.js';
import { HttpProblem, problemBody, toHttpProblem, isToBeLogged } from './problem.js';
import { BulkLine } from './schemas.js';
import { invalid } from './validation.js';

/** So many parts of the body may be on their way to the disk at once. */
const IN_FLIGHT = 8;

/**
 * Bytes of results that wait to be taken before no more lines are: some send all they have before they read. And how many when
 * there is little memory for requests.
 */
const RESULTS_AHEAD = 8 * 1024 * 1024;
const RESULTS_AHEAD_WHEN_SHORT = 64 * 1024;

/** Milliseconds for which nothing may come in and nothing be taken. */
const IDLE = 60_000;

/** How often it is looked whether the server stops, or nothing moves. Milliseconds. */
const LOOK = 500;

type Accepted = { readonly outgoing: Outgoing } | { readonly problem: HttpProblem };

/**
 * Many messages in one request, a line each: sent as they come in, and each answered by a line as soon as it is durable. What
 * is in memory at a time is bounded: no more is read than can be stored, and stored no more than is told.
 */
export class Bulk {
  readonly #input = new PassThrough();
  #moved = performance.now();
  /** Bytes of results that count as held by this request. */
  #counted = 0;

  constructor(
    private readonly context: Context,
    private readonly request: FastifyRequest,
    private readonly acting: Acting,
    private readonly idempotencyKey: string | undefined,
  ) {}

  async answer(reply: FastifyReply): Promise<void> {
    const out = reply.raw;
    const headers = { ...reply.getHeaders(), 'content-type': NDJSON_TYPE, 'cache-control': 'no-store' };
    reply.hijack();
    out.on('error', () => undefined);
    out.writeHead(200, headers as Record<string, string>);
    out.flushHeaders();
    const { raw } = this.request;
    raw.once('error', (error) => this.#input.destroy(error));
    raw.once('close', () => !raw.complete && this.#input.destroy(new Error('The sender is gone.')));
    raw.pipe(this.#input);
    const looking = setInterval(() => this.#look(out), LOOK);
    try {
      await this.#pass(out);
      out.end();
      // What is left unread would otherwise be taken for the next request.
      if (!raw.complete) out.once('finish', () => raw.destroy());
    } catch (error) {
      if (!raw.destroyed && !out.destroyed) this.context.logger.error({ err: error }, 'bulk sending broke off');
      out.destroy();
    } finally {
      clearInterval(looking);
      this.#count(0);
    }
  }

  /** Takes no more lines when the server stops: what was taken is answered. */
  #look(out: FastifyReply['raw']): void {
    this.#count(out.writableLength);
    if (performance.now() - this.#moved > IDLE) out.destroy();
    if (!this.context.hub.draining) return;
    this.request.raw.unpipe(this.#input);
    this.#input.end();
  }

  async #pass(out: FastifyReply['raw']): Promise<void> {
    const splitter = new LineSplitter(this.context.settings.maxBody);
    const inFlight: Promise<void>[] = [];
    let told: Promise<void> = Promise.resolve();
    const pass = async (lines: readonly Line[]) => {
      if (lines.length === 0) return;
      const outcomes = await this.#send(lines.map((line) => this.#accept(line)));
      told = Promise.all([outcomes(), told]).then(([settled]) => this.#tell(out, lines, settled));
      // Whoever waits for it below is told of a failure; until then it must not count as unheard of.
      told.catch(() => undefined);
      inFlight.push(told);
      if (inFlight.length >= IN_FLIGHT) await inFlight.shift();
      await this.#taken(out);
    };
    for await (const chunk of this.#input) {
      this.#moved = performance.now();
      await pass(splitter.push(chunk as Buffer));
    }
    if (!this.context.hub.draining) await pass(splitter.end());
    await told;
  }

  #accept({ bytes, number }: Line): Accepted {
    try {
      if (bytes === null) {
        const { maxBody } = this.context.settings;
        throw new HttpProblem('too-large', `This line is longer than ${maxBody} bytes, the most this server takes.`);
      }
      if (!isUtf8(bytes)) throw new HttpProblem('invalid-request', 'This line is not valid UTF-8. Send it in UTF-8.');
      const result = BulkLine.safeParse(parseJson(bytes.toString(), 'line'));
      if (!result.success) throw invalid('line', result.error.issues);
      const outgoing = result.data as Outgoing;
      if (this.idempotencyKey === undefined || outgoing.idempotencyKey !== undefined) return { outgoing };
      // A space cannot be part of a key that somebody chose.
      return { outgoing: { ...outgoing, idempotencyKey: `${this.idempotencyKey} ${number}` } };
    } catch (error) {
      if (error instanceof HttpProblem) return { problem: error };
      throw error;
    }
  }

  /** Resolves when they are in line; what is given back, when each is stored or refused. */
  async #send(accepted: readonly Accepted[]): Promise<() => Promise<(Sent | Error)[]>> {
    const batch: Outgoing[] = [];
    for (const one of accepted) if ('outgoing' in one) batch.push(one.outgoing);
    const { outcomes } = await this.acting.sendAll(batch);
    return async () => {
      const sent = await outcomes;
      let at = 0;
      return accepted.map((one) => ('problem' in one ? one.problem : (sent[at++] as Sent | Error)));
    };
  }

  #tell(out: FastifyReply['raw'], lines: readonly Line[], outcomes: readonly (Sent | Error)[]): void {
    let text = '';
    let fresh = 0;
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome instanceof Error) text += this.#problemJson(outcome, (lines[at] as Line).number);
      else {
        const { seq, reach, replayed } = outcome;
        if (!replayed) fresh++;
        text += `{"id":${seq === null ? 'null' : `"${seq}"`},"reach":${reach}${replayed ? ',"replayed":true' : ''}}\n`;
      }
    }
    this.context.metrics.accepted(fresh);
    out.write(text);
  }

  #problemJson(error: Error, line: number): string {
    const problem = toHttpProblem(error, this.context.settings.maxBody);
    if (!(error instanceof HubError) && isToBeLogged(error, problem))
      this.context.logger.error({ err: error }, problem.message);
    return `${JSON.stringify({ ...problemBody(problem, '/messages'), line })}\n`;
  }

  #count(results: number): void {
    this.context.requestMemory.change(results - this.#counted);
    this.#counted = results;
  }

  /** Resolves when so few results wait to be taken that there may be more. */
  async #taken(out: FastifyReply['raw']): Promise<void> {
    const { requestMemory } = this.context;
    while (out.writableLength > (requestMemory.isShort ? RESULTS_AHEAD_WHEN_SHORT : RESULTS_AHEAD) && !out.destroyed) {
      await new Promise<void>((resolve) => {
        const done = () => {
          out.off('drain', done).off('close', done);
          resolve();
        };
        out.on('drain', done).on('close', done);
      });
      this.#moved = performance.now();
    }
    if (out.destroyed) throw new Error('The sender is gone.');
  }
}
