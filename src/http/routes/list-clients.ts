import { clientJson } from '../../stream/json.js';
import { admit } from '../admission.js';
import { clientLine } from '../client-line.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { negotiate, varyByAccept } from '../negotiation.js';
import { nextPath } from '../paging.js';
import { ClientList, ListQuery } from '../schemas.js';
import { verbatim } from '../verbatim.js';

/** `GET /clients`: LIST. */
export function listClients(app: App, { hub }: Context): void {
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
      const type = negotiate(request, ['application/json', 'text/plain']);
      const page = (await admit(hub, request, reply)).list(request.query);
      const next = nextPath('/clients', { ...request.query, after: page.next });
      if (next !== null) reply.header('link', `<${next}>; rel="next"`);
      varyByAccept(reply);
      if (type === 'text/plain')
        return verbatim(reply, 'text/plain; charset=utf-8', page.clients.map(clientLine).join(''));
      return reply.send({ clients: page.clients.map(clientJson), total: page.total, next });
    },
  );
}
