import { z } from 'zod';
import type { ClientIndex } from '../../hub/client-index.js';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { IndexParams, NoQuery } from '../schemas.js';

/** `DELETE /clients/:index`: a client leaves. */
export function leave(app: App, { hub }: Context): void {
  app.delete(
    '/clients/:index',
    {
      schema: {
        operationId: 'leave',
        tags: ['Self'],
        summary: 'Leave',
        description:
          'The client is no longer listed, its streams end with `bye`, and its mailbox goes. A client that signs in stays, also while it is away; an administrator can remove any client but its own.',
        security: [{ token: [] }],
        params: IndexParams,
        querystring: NoQuery,
        response: {
          204: z.undefined().meta({ description: 'It has left.' }),
          ...problems({
            400: 'This cannot be an index.',
            401: 'There is no token, or one that is not genuine.',
            403: "The token is another client's, the client signs in, or the Origin or Host is not allowed.",
            404: 'There has never been such a client.',
            410: 'The client has left already.',
            429: 'Too many requests.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const index = request.params.index as ClientIndex;
      await acting.leave(index);
      return reply.code(204).send();
    },
  );
}
