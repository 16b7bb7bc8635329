import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** A request that has ended. */
export interface Ended {
  readonly method: string;
  /** The pattern of its path; undefined where no route has it. */
  readonly route: string | undefined;
  readonly response: ServerResponse;
  readonly milliseconds: number;
}

/** The requests that have begun and not ended: what a server that stops has to wait for. An open stream is one of them. */
export class UnderWay {
  #count = 0;
  #waiting: (() => void)[] = [];

  /**
   * To be called before anything else that hooks into requests.
   * @param ended told of each when it has ended, whether it was answered or broke off
   */
  register(app: FastifyInstance, ended: (request: Ended) => void): void {
    app.addHook('onRequest', ({ method, routeOptions, raw: { socket } }, { raw }, done) => {
      this.#count++;
      if (!raw.socket) closeWith(socket, raw);
      this.#follow(raw, method, routeOptions.url, ended);
      done();
    });
  }

  /** Apart, so that what waits for the end, which for a stream is far away, holds on to no more than it needs. */
  #follow(response: ServerResponse, method: string, route: string | undefined, ended: (request: Ended) => void): void {
    const began = performance.now();
    response.on('close', () => {
      this.#ended();
      ended({ method, route, response, milliseconds: performance.now() - began });
    });
  }

  /** Resolves when nothing is under way, or after so many milliseconds. */
  async idle(milliseconds: number): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #ended(): void {
    if (--this.#count > 0) return;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/**
 * Has a response that waits for its turn, behind another on its connection, told when that connection closes, as Node tells
 * only the one whose turn it is.
 */
function closeWith(socket: Socket, response: ServerResponse): void {
  const close = () => {
    if (response.socket || response.writableFinished || response.destroyed) return;
    response.destroyed = true;
    response.emit('close');
  };
  socket.once('close', close);
  response.once('close', () => socket.off('close', close));
}
