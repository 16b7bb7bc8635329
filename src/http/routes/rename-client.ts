import type { ClientIndex } from '../../hub/client-index.js';
import { admit } from '../admission.js';
import { clientJson } from '../../stream/json.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { Client, IndexParams, NoQuery, Renamed } from '../schemas.js';

/** `PATCH /clients/:index`: a client changes its name. */
export function renameClient(app: App, { hub }: Context): void {
  app.patch(
    '/clients/:index',
    {
      schema: {
        operationId: 'renameClient',
        tags: ['Self'],
        summary: "Change a client's name",
        description:
          'Of who came without signing in: the name of who signs in is that of the account, the key or the identity.',
        security: [{ token: [] }],
        params: IndexParams,
        querystring: NoQuery,
        body: Renamed,
        response: {
          200: { description: 'The client, by its new name.', content: { 'application/json': { schema: Client } } },
          ...problems({
            400: 'The name is not valid.',
            401: 'There is no token, or one that is not genuine.',
            403: "The token is another client's, the client signs in, or the Origin or Host is not allowed.",
            404: 'There has never been such a client.',
            409: 'The name belongs to somebody who signs in with it.',
            410: 'The client has left.',
            413: 'The body is too large.',
            415: 'The body is not JSON.',
            429: 'Too many requests.',
            503: 'The name cannot be made durable now.',
          }),
        },
      },
      config: { openapi: { requestBody: { content: { 'application/json': { example: { name: 'dave' } } } } } },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const index = request.params.index as ClientIndex;
      return clientJson(await acting.rename(index, request.body.name));
    },
  );
}
