import type { ClientIndex } from '../../hub/client-index.js';
import { clientJson } from '../../stream/json.js';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { Client, IndexParams, NoQuery } from '../schemas.js';

/** `GET /clients/:index`. */
export function getClient(app: App, { hub }: Context): void {
  app.get(
    '/clients/:index',
    {
      schema: {
        operationId: 'getClient',
        tags: ['LIST'],
        summary: 'One client',
        params: IndexParams,
        querystring: NoQuery,
        response: {
          200: { description: 'The client.', content: { 'application/json': { schema: Client } } },
          ...problems({
            400: 'This cannot be an index.',
            403: 'The Origin or Host is not allowed.',
            404: 'There has never been such a client.',
            410: 'The client has left.',
            429: 'Too many requests.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      return clientJson(await acting.client(request.params.index as ClientIndex));
    },
  );
}
