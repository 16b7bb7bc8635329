import type { FastifyReply } from 'fastify';
import type { Sent } from '../hub/sending.js';
import type { Metrics } from './metrics.js';
import { JSON_TYPE, verbatim } from './verbatim.js';

/** What a request that sends may be refused for, beside what its address may be. */
export const SEND_PROBLEMS = {
  400: 'The message is not valid.',
  401: 'The token is not genuine.',
  403: 'The Origin or Host is not allowed.',
  413: 'The body is too large.',
  415: 'The body is neither JSON nor text.',
  422: 'The Idempotency-Key was used for another message.',
  429: 'Too many requests.',
  503: 'The message cannot be made durable now.',
};

/** What the schemas of a route that sends cannot say. */
export function sendDocumentation(example: object, text: string, location: string) {
  const content = { schema: { type: 'string', minLength: 1 }, example: text };
  return {
    requestBody: {
      content: {
        'application/json': { example },
        'text/plain': content,
        'application/x-www-form-urlencoded': content,
      },
    },
    responses: {
      201: {
        headers: {
          'Idempotency-Replayed': {
            description: '"true" where nothing was sent again.',
            schema: { type: 'string' },
            example: 'true',
          },
          Location: {
            description: 'Where it can be read; absent if it was not stored.',
            schema: { type: 'string' },
            example: location,
          },
        },
      },
    },
  };
}

/** Answers with the message as it was accepted. @param path where messages to this address are read one by one */
export function answerSent(
  reply: object,
  metrics: Metrics,
  path: string,
  { seq, json, reach, replayed }: Sent,
): FastifyReply {
  const answer = reply as FastifyReply;
  if (replayed) answer.header('idempotency-replayed', 'true');
  else metrics.accepted(1);
  if (seq !== null) answer.header('location', `${path}/${seq}`);
  // The message is JSON already; what the answer has besides is put before its closing brace.
  return verbatim(answer.code(201), JSON_TYPE, `${json.slice(0, -1)},"reach":${reach}}`);
}
