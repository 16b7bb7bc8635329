import { admit } from '../admission.js';
import { answerClients, CLIENTS_TYPES } from '../client-page.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { negotiate } from '../negotiation.js';
import { ClientList, ListQuery } from '../schemas.js';

/** `GET /clients`: LIST. */
export function listClients(app: App, { hub, underWay }: Context): void {
  app.get(
    '/clients',
    {
      schema: {
        operationId: 'listClients',
        tags: ['LIST'],
        summary: 'LIST: who there is',
        description: 'All clients, by index. With `Accept: text/plain` a line each: `Client 1 is at socket 3.`',
        querystring: ListQuery,
        response: {
          200: {
            description: 'A page of clients. Where there is another, Link has it with rel="next".',
            content: { 'application/json': { schema: ClientList } },
          },
          ...problems({
            400: 'A parameter is not valid or not known.',
            403: 'The Origin or Host is not allowed.',
            406: 'Neither application/json nor text/plain is acceptable.',
            429: 'Too many requests.',
          }),
        },
      },
      config: {
        openapi: {
          responses: {
            200: {
              headers: { Link: { schema: { type: 'string' }, example: '</clients?limit=100&after=100>; rel="next"' } },
              content: { 'text/plain': { schema: { type: 'string' }, example: 'Client 1 is at socket 3.\n' } },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const type = negotiate(request, CLIENTS_TYPES);
      const acting = await admit(hub, request, reply);
      return answerClients(underWay, request, reply, type, '/clients', () => acting.list(request.query));
    },
  );
}
