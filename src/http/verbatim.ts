import type { FastifyReply } from 'fastify';

export const JSON_TYPE = 'application/json; charset=utf-8';

/**
 * Answers with text that is what its type says already, so that nothing serialises it a second time.
 * @param reply of a route whose schema describes the object; the cast is what lets its text pass instead
 */
export function verbatim(reply: object, type: string, text: string | Buffer): FastifyReply {
  return (reply as FastifyReply).type(type).send(text);
}
