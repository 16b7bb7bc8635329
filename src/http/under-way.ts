import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** The requests that have begun and not ended: what a server that stops has to wait for. An open stream is one of them. */
export class UnderWay {
  #count = 0;
  #waiting: (() => void)[] = [];

  /**
   * To be called before anything else that hooks into requests.
   * @param ended told of each when it has ended, whether it was answered or broke off
   */
  register(
    app: FastifyInstance,
    ended: (request: FastifyRequest, reply: FastifyReply, milliseconds: number) => void,
  ): void {
    app.addHook('onRequest', (request, reply, done) => {
      this.#count++;
      const began = performance.now();
      reply.raw.once('close', () => {
        this.#ended();
        ended(request, reply, performance.now() - began);
      });
      done();
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
