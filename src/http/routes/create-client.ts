import { clientJson } from '../../stream/json.js';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { Admission, NewClient, NoQuery } from '../schemas.js';

/** `POST /clients`: a client that has no stream yet. */
export function createClient(app: App, { hub }: Context): void {
  app.post(
    '/clients',
    {
      schema: {
        operationId: 'createClient',
        tags: ['Connect'],
        summary: 'Become a client without a stream',
        description:
          'For those who read their mailbox now and then instead of holding a stream. It is away until it opens one, and leaves when it ' +
          'has shown no sign of itself for the grace time: reading its mailbox is such a sign.',
        querystring: NoQuery,
        body: NewClient.optional(),
        response: {
          200: {
            description: 'The client that one has already, by an account, a key or an identity.',
            content: { 'application/json': { schema: Admission } },
          },
          201: { description: 'The client, and its secrets.', content: { 'application/json': { schema: Admission } } },
          ...problems({
            400: 'The body is not valid.',
            403: 'The Origin or Host is not allowed.',
            409: 'The name belongs to somebody who signs in with it.',
            413: 'The body is too large.',
            415: 'The body is not JSON.',
            422: 'These are more rooms than one may be in.',
            429: 'Too many requests.',
            503: 'The client cannot be made durable now.',
          }),
        },
      },
      config: {
        openapi: {
          requestBody: { required: false, content: { 'application/json': { example: { rooms: ['lobby'] } } } },
          responses: { 201: { headers: { Location: { schema: { type: 'string' }, example: '/clients/3' } } } },
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { client, position, fresh } = await acting.join(request.body?.name ?? null, request.body?.rooms);
      const { index } = client;
      return reply
        .code(fresh ? 201 : 200)
        .header('location', `/clients/${index}`)
        .header('cache-control', 'no-store')
        .send({
          client: clientJson(client),
          token: acting.caller.subject === null ? hub.credentials.token(index) : null,
          cursor: hub.credentials.cursor(index, position),
        });
    },
  );
}
