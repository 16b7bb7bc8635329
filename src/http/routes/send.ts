import type { ClientIndex } from '../../hub/client-index.js';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { IndexParams, NewMessage, NoQuery, SendHeaders, SentMessage } from '../schemas.js';
import { answerSent, SEND_PROBLEMS, sendDocumentation } from '../sent.js';

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
            ...SEND_PROBLEMS,
            404: 'There has never been such a client.',
            410: 'The addressee, or the client of the token, has left.',
          }),
        },
      },
      config: {
        textBody: true,
        openapi: sendDocumentation({ text: 'Hello, Client 2!' }, 'Hello, Client 2!', '/clients/2/messages/17'),
      },
    },
    async (request, reply) => {
      const client = request.params.index as ClientIndex;
      const acting = await admit(hub, request, reply);
      const { text, data, ttl } = request.body;
      const idempotencyKey = request.headers['idempotency-key'];
      const sent = await acting.send({ to: { client }, text, data, ttl, idempotencyKey });
      return answerSent(reply, metrics, `/clients/${client}/messages`, sent);
    },
  );
}
