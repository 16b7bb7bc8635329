import { z } from 'zod';
import type { ClientIndex } from '../../hub/client-index.js';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { MemberParams, NoQuery, Room } from '../schemas.js';

const REFUSALS = {
  400: 'This cannot be the name of a room, or an index.',
  401: 'There is no token, or one that is not genuine.',
  403: "The token is another client's, or the Origin or Host is not allowed.",
  404: 'There has never been such a client.',
  410: 'The client has left.',
  429: 'Too many requests.',
  503: 'It cannot be made durable now.',
};

/** `PUT` and `DELETE /rooms/:room/members/:index`: a client enters a room, or leaves it. */
export function membership(app: App, { hub }: Context): void {
  const path = '/rooms/:room/members/:index';
  const room = { description: 'The room.', content: { 'application/json': { schema: Room } } };

  app.put(
    path,
    {
      schema: {
        operationId: 'enterRoom',
        tags: ['Rooms'],
        summary: 'Enter a room',
        description:
          'From now on its streams get what is sent to the room. A room that is not there is made; a private one is entered by who is invited. Done twice, it is done once.',
        security: [{ token: [] }],
        params: MemberParams,
        querystring: NoQuery,
        response: {
          200: { ...room, description: 'It was in the room already.' },
          201: { ...room, description: 'It has entered.' },
          ...problems({
            ...REFUSALS,
            409: 'It is invited to a private room of this name, and in another of it.',
            422: 'It is in as many rooms as one may be in.',
          }),
        },
      },
    },
    async (request, reply) => {
      const { room, index } = request.params;
      const acting = await admit(hub, request, reply);
      const entered = await acting.enter(index as ClientIndex, room);
      return reply.code(entered ? 201 : 200).send(acting.entered(room));
    },
  );

  app.delete(
    path,
    {
      schema: {
        operationId: 'exitRoom',
        tags: ['Rooms'],
        summary: 'Leave a room',
        description:
          'It still gets what was sent before. Where it is not in the room, nothing happens. The owner of a private room puts others out in this way.',
        security: [{ token: [] }],
        params: MemberParams,
        querystring: NoQuery,
        response: { 204: z.undefined().meta({ description: 'It is not in the room.' }), ...problems(REFUSALS) },
      },
    },
    async (request, reply) => {
      const { room, index } = request.params;
      const acting = await admit(hub, request, reply);
      await acting.exit(index as ClientIndex, room);
      return reply.code(204).send();
    },
  );
}
