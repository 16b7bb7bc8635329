import { admit } from '../admission.js';
import { answerClients, CLIENTS_TYPES } from '../client-page.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { negotiate } from '../negotiation.js';
import { nextPath } from '../paging.js';
import { ClientList, ListQuery, NoQuery, Room, RoomList, RoomListQuery, RoomParams } from '../schemas.js';

/** `GET /rooms`, `GET /rooms/:room` and `GET /rooms/:room/members`: which rooms there are, and who is in them. */
export function rooms(app: App, { hub, underWay }: Context): void {
  app.get(
    '/rooms',
    {
      schema: {
        operationId: 'listRooms',
        tags: ['Rooms'],
        summary: 'Which rooms there are',
        description: 'By name. A room is there as long as it has members.',
        querystring: RoomListQuery,
        response: {
          200: {
            description: 'A page of rooms. Where there is another, Link has it with rel="next".',
            content: { 'application/json': { schema: RoomList } },
          },
          ...problems({
            400: 'A parameter is not valid or not known.',
            403: 'The Origin or Host is not allowed.',
            429: 'Too many requests.',
          }),
        },
      },
      config: {
        openapi: {
          responses: {
            200: {
              headers: { Link: { schema: { type: 'string' }, example: '</rooms?limit=1&after=lobby>; rel="next"' } },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { rooms, total, next } = acting.listRooms(request.query);
      const path = nextPath('/rooms', { limit: request.query.limit, after: next });
      if (path !== null) reply.header('link', `<${path}>; rel="next"`);
      return reply.send({ rooms, total, next: path });
    },
  );

  app.get(
    '/rooms/:room',
    {
      schema: {
        operationId: 'getRoom',
        tags: ['Rooms'],
        summary: 'One room',
        params: RoomParams,
        querystring: NoQuery,
        response: {
          200: { description: 'The room.', content: { 'application/json': { schema: Room } } },
          ...problems({
            400: 'This cannot be the name of a room.',
            403: 'The Origin or Host is not allowed.',
            404: 'There is no such room.',
            429: 'Too many requests.',
          }),
        },
      },
    },
    async (request, reply) => (await admit(hub, request, reply)).room(request.params.room),
  );

  app.get(
    '/rooms/:room/members',
    {
      schema: {
        operationId: 'listMembers',
        tags: ['Rooms'],
        summary: 'Who is in a room',
        description: 'As LIST: the same query, the same answer, in JSON or in lines.',
        params: RoomParams,
        querystring: ListQuery,
        response: {
          200: {
            description: 'A page of its members. Where there is another, Link has it with rel="next".',
            content: { 'application/json': { schema: ClientList } },
          },
          ...problems({
            400: 'A parameter is not valid or not known.',
            403: 'The Origin or Host is not allowed.',
            404: 'There is no such room.',
            406: 'Neither application/json nor text/plain is acceptable.',
            429: 'Too many requests.',
          }),
        },
      },
      config: {
        openapi: {
          responses: {
            200: {
              headers: {
                Link: { schema: { type: 'string' }, example: '</rooms/lobby/members?limit=100&after=100>; rel="next"' },
              },
              content: { 'text/plain': { schema: { type: 'string' }, example: 'Client 1 is at socket 3.\n' } },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const type = negotiate(request, CLIENTS_TYPES);
      const { room } = request.params;
      const acting = await admit(hub, request, reply);
      const list = () => acting.listMembers(room, request.query);
      return answerClients(underWay, request, reply, type, `/rooms/${room}/members`, list);
    },
  );
}
