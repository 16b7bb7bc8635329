import { z } from 'zod';
import type { ClientIndex } from '../../hub/client-index.js';
import { clientJson } from '../../stream/json.js';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import {
  GuestList,
  HandOver,
  IndexParams,
  InvitationList,
  MemberParams,
  NewRoom,
  NoQuery,
  Room,
  RoomParams,
} from '../schemas.js';

/** What may be refused of what concerns the caller alone. */
const OWN = {
  410: 'The client of the token has left.',
  429: 'Too many requests.',
  503: 'It cannot be made durable now.',
};

const REFUSALS = {
  ...OWN,
  400: 'This cannot be the name of a room, or an index.',
  403: 'The room is another client’s, or the Origin or Host is not allowed.',
  404: 'There is no such room, or there has never been such a client.',
  410: 'The client has left.',
};

/** `PUT`, `PATCH` and `DELETE /rooms/:room`, and invitations: rooms that are there to their members alone. */
export function privateRooms(app: App, { hub }: Context): void {
  const room = { description: 'The room.', content: { 'application/json': { schema: Room } } };
  const BODY = { 413: 'The body is too large.', 415: 'The body is not JSON.' };

  app.put(
    '/rooms/:room',
    {
      schema: {
        operationId: 'makeRoom',
        tags: ['Private rooms'],
        summary: 'Make a private room',
        description:
          'It is the caller’s, who is in it. To all who are neither in it nor invited there is no such room: not in lists, not in presence, not in errors. ' +
          'Its name means it to its members alone: to others the same name may be another room, or none.',
        security: [{ token: [] }],
        params: RoomParams,
        querystring: NoQuery,
        body: NewRoom,
        response: {
          200: { ...room, description: 'It is the caller’s already.' },
          201: { ...room, description: 'It is made.' },
          ...problems({
            ...OWN,
            ...BODY,
            400: 'This cannot be the name of a room, or the body is not valid.',
            403: 'The caller is no client, or the Origin or Host is not allowed.',
            409: 'There is a room of this name already.',
            422: 'The client is in as many rooms as one may be in.',
          }),
        },
      },
      config: { openapi: { requestBody: { content: { 'application/json': { example: { private: true } } } } } },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { room: made, fresh } = await acting.makePrivateRoom(request.params.room);
      return reply.code(fresh ? 201 : 200).send(made);
    },
  );

  app.patch(
    '/rooms/:room',
    {
      schema: {
        operationId: 'handOverRoom',
        tags: ['Private rooms'],
        summary: 'Hand a private room over',
        description: 'By its owner, to a member. Where the owner leaves, it is that of whoever is in it for longest.',
        security: [{ token: [] }],
        params: RoomParams,
        querystring: NoQuery,
        body: HandOver,
        response: {
          200: room,
          ...problems({ ...REFUSALS, ...BODY, 400: 'The body is not valid, or the next owner is not in the room.' }),
        },
      },
      config: { openapi: { requestBody: { content: { 'application/json': { example: { owner: 2 } } } } } },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      return acting.handOver(request.params.room, request.body.owner as ClientIndex);
    },
  );

  app.delete(
    '/rooms/:room',
    {
      schema: {
        operationId: 'closeRoom',
        tags: ['Private rooms'],
        summary: 'Close a private room',
        description:
          'By its owner. All are put out, and there is no such room any more; who was away still gets what was sent while it was in it.',
        security: [{ token: [] }],
        params: RoomParams,
        querystring: NoQuery,
        response: { 204: z.undefined().meta({ description: 'It is closed.' }), ...problems(REFUSALS) },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      await acting.closeRoom(request.params.room);
      return reply.code(204).send();
    },
  );

  app.get(
    '/rooms/:room/invitations',
    {
      schema: {
        operationId: 'listGuests',
        tags: ['Private rooms'],
        summary: 'Who is invited',
        description: 'For its owner.',
        security: [{ token: [] }],
        params: RoomParams,
        querystring: NoQuery,
        response: {
          200: {
            description: 'Those who have not entered yet.',
            content: { 'application/json': { schema: GuestList } },
          },
          ...problems(REFUSALS),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      return reply.header('cache-control', 'no-store').send({
        clients: acting.guests(request.params.room).map(clientJson),
      });
    },
  );

  app.put(
    '/rooms/:room/invitations/:index',
    {
      schema: {
        operationId: 'invite',
        tags: ['Private rooms'],
        summary: 'Invite somebody',
        description: 'By its owner. The client is told by the event `invited`, and can enter the room from now on.',
        security: [{ token: [] }],
        params: MemberParams,
        querystring: NoQuery,
        response: {
          200: { ...room, description: 'It is invited, or in the room, already.' },
          201: { ...room, description: 'It is invited.' },
          ...problems(REFUSALS),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { room, index } = request.params;
      const fresh = await acting.invite(room, index as ClientIndex);
      return reply.code(fresh ? 201 : 200).send(acting.entered(room));
    },
  );

  app.delete(
    '/rooms/:room/invitations/:index',
    {
      schema: {
        operationId: 'withdrawInvitation',
        tags: ['Private rooms'],
        summary: 'Take an invitation back, or decline it',
        description: 'By the owner of the room; or by who is invited, whose index it is.',
        security: [{ token: [] }],
        params: MemberParams,
        querystring: NoQuery,
        response: { 204: z.undefined().meta({ description: 'It is not invited.' }), ...problems(REFUSALS) },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { room, index } = request.params;
      await acting.withdraw(room, index as ClientIndex);
      return reply.code(204).send();
    },
  );

  app.get(
    '/clients/:index/invitations',
    {
      schema: {
        operationId: 'listInvitations',
        tags: ['Private rooms'],
        summary: 'To which rooms one is invited',
        description: 'For the client itself. It enters one like any other room: `PUT /rooms/{room}/members/{index}`.',
        security: [{ token: [] }],
        params: IndexParams,
        querystring: NoQuery,
        response: {
          200: {
            description: 'Rooms that the client may enter.',
            content: { 'application/json': { schema: InvitationList } },
          },
          ...problems({
            ...REFUSALS,
            400: 'This cannot be an index.',
            403: "The token is another client's, or the Origin or Host is not allowed.",
            404: 'There has never been such a client.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const invitations = await acting.invitations(request.params.index as ClientIndex);
      return reply.header('cache-control', 'no-store').send({ invitations });
    },
  );
}
