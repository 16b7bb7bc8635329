import type { ClientIndex } from '../../hub/client-index.js';
import { bearerToken } from '../bearer.js';
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
        security: [{ token: [] }],
        params: IndexParams,
        querystring: NoQuery,
        body: Renamed,
        response: {
          200: { description: 'The client, by its new name.', content: { 'application/json': { schema: Client } } },
          ...problems({
            400: 'The name is not valid.',
            401: 'There is no token, or one that is not genuine.',
            403: "The token is another client's, or the Origin or Host is not allowed.",
            404: 'There has never been such a client.',
            410: 'The client has left.',
            413: 'The body is too large.',
            415: 'The body is not JSON.',
            429: 'Too many requests.',
            503: 'The name cannot be made durable now.',
          }),
        },
      },
      config: { openapi: { requestBody: { content: { 'application/json': { example: { name: 'alice' } } } } } },
    },
    async (request) => {
      const index = request.params.index as ClientIndex;
      await hub.authorize(bearerToken(request), index);
      return clientJson(await hub.clients.rename(index, request.body.name));
    },
  );
}
