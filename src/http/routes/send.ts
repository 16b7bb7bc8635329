import type { ClientIndex } from '../../hub/client-index.js';
import { bearerToken } from '../bearer.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { IndexParams, NewMessage, NoQuery, SendHeaders, SentMessage } from '../schemas.js';
import { JSON_TYPE, verbatim } from '../verbatim.js';

const TEXT = { schema: { type: 'string', minLength: 1 }, example: 'Hello, Client 2!' };

/** `POST /clients/:index/messages`: SEND. */
export function send(app: App, { hub, metrics }: Context): void {
  app.post(
    '/clients/:index/messages',
    {
      schema: {
        operationId: 'send',
        tags: ['SEND'],
        summary: 'SEND: reach one client',
        description:
          'Answered only when the message is durable: from then on it is not lost, whatever happens to the server. The sender is whoever ' +
          'the token proves; without one, `from` is null. A text/plain or form body, as `curl -d` sends it, is taken verbatim as the text.',
        security: [{}, { token: [] }],
        params: IndexParams,
        querystring: NoQuery,
        headers: SendHeaders,
        body: NewMessage,
        response: {
          201: {
            description: 'The message as it was accepted.',
            content: { 'application/json': { schema: SentMessage } },
          },
          ...problems({
            400: 'The message is not valid.',
            401: 'The token is not genuine.',
            403: 'The Origin or Host is not allowed.',
            404: 'There has never been such a client.',
            410: 'The addressee, or the client of the token, has left.',
            413: 'The body is too large.',
            415: 'The body is neither JSON nor text.',
            422: 'The Idempotency-Key was used for another message.',
            429: 'Too many requests.',
            503: 'The message cannot be made durable now.',
          }),
        },
      },
      config: {
        textBody: true,
        openapi: {
          requestBody: {
            content: {
              'application/json': { example: { text: 'Hello, Client 2!' } },
              'text/plain': TEXT,
              'application/x-www-form-urlencoded': TEXT,
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
                  description: 'Where its addressee and its sender can read it; absent if it was not stored.',
                  schema: { type: 'string' },
                  example: '/clients/2/messages/17',
                },
              },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const to = request.params.index as ClientIndex;
      const token = bearerToken(request);
      const from = token === undefined ? null : await hub.authenticate(token);
      const { ttl, ...content } = request.body;
      const idempotencyKey = request.headers['idempotency-key'];
      const { seq, json, reach, replayed } = await hub.send(to, content, { from, ttl, idempotencyKey });
      if (replayed) reply.header('idempotency-replayed', 'true');
      else metrics.accepted();
      if (seq !== null) reply.header('location', `/clients/${to}/messages/${seq}`);
      // The message is JSON already; what the answer has besides is put before its closing brace.
      return verbatim(reply.code(201), JSON_TYPE, `${json.slice(0, -1)},"reach":${reach}}`);
    },
  );
}
