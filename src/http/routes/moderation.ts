import { z } from 'zod';
import type { Seq } from '../../engine/engine.js';
import type { Ban as HubBan } from '../../hub/access/bans.js';
import type { NewBan as HubNewBan } from '../../hub/administration.js';
import type { ClientIndex } from '../../hub/client-index.js';
import type { Address } from '../../hub/topics.js';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { nextPath } from '../paging.js';
import {
  AuditPage,
  AuditQuery,
  Ban,
  BanList,
  BanParams,
  MessageIdParams,
  MessageParams,
  NewBan,
  NoQuery,
  RoomMessageParams,
} from '../schemas.js';

/** `POST` and `GET /bans`, `DELETE /bans/:id`, `GET /audit`, and deleting messages: keeping order in the house. */
export function moderation(app: App, { hub }: Context): void {
  const noStore = { 'cache-control': 'no-store' };

  app.post(
    '/bans',
    {
      schema: {
        operationId: 'ban',
        tags: ['Order'],
        summary: 'Keep somebody out for a time',
        description:
          'For administrators. Its streams end with `bye`, and whatever it asks is answered 403 until the time is over.',
        security: [{ token: [] }],
        querystring: NoQuery,
        body: NewBan,
        response: {
          201: { description: 'The ban.', content: { 'application/json': { schema: Ban } } },
          ...problems({
            400: 'The body is not valid.',
            404: 'There is no such account or client.',
            410: 'The client has left.',
            413: 'The body is too large.',
            415: 'The body is not JSON.',
            429: 'Too many requests.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
      config: {
        openapi: {
          requestBody: { content: { 'application/json': { example: { address: '192.0.2.0/24', seconds: 3600 } } } },
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { seconds, reason, ...whom } = request.body;
      const ban = { ...whom, duration: seconds * 1000, reason: reason ?? null } as HubNewBan;
      const made = await acting.administration.ban(acting.caller, ban);
      return reply.code(201).headers(noStore).send(banJson(made));
    },
  );

  app.get(
    '/bans',
    {
      schema: {
        operationId: 'listBans',
        tags: ['Order'],
        summary: 'Who is kept out',
        description: 'For administrators.',
        security: [{ token: [] }],
        querystring: NoQuery,
        response: {
          200: { description: 'Those that hold.', content: { 'application/json': { schema: BanList } } },
          ...problems({ 400: 'A parameter is not known.', 429: 'Too many requests.' }),
        },
      },
    },
    async (request, reply) => {
      const { administration } = await admit(hub, request, reply);
      return reply.headers(noStore).send({ bans: administration.listBans().map(banJson) });
    },
  );

  app.delete(
    '/bans/:id',
    {
      schema: {
        operationId: 'liftBan',
        tags: ['Order'],
        summary: 'Let somebody in again',
        description: 'For administrators.',
        security: [{ token: [] }],
        params: BanParams,
        querystring: NoQuery,
        response: {
          204: z.undefined().meta({ description: 'It is lifted.' }),
          ...problems({
            400: 'This cannot be the id of a ban.',
            404: 'There is no such ban.',
            429: 'Too many requests.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      await acting.administration.liftBan(acting.caller, request.params.id);
      return reply.code(204).send();
    },
  );

  app.get(
    '/audit',
    {
      schema: {
        operationId: 'readAudit',
        tags: ['Order'],
        summary: 'Who did what to keep order',
        description: 'For administrators. Entries are added and never changed or removed.',
        security: [{ token: [] }],
        querystring: AuditQuery,
        response: {
          200: {
            description: 'A page of entries, the oldest first.',
            content: { 'application/json': { schema: AuditPage } },
          },
          ...problems({
            400: 'A parameter is not valid or not known.',
            429: 'Too many requests.',
            503: 'The log cannot be read now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const { administration } = await admit(hub, request, reply);
      const { after = 0, limit } = request.query;
      const { entries, next } = await administration.readAudit(after as Seq, limit);
      const path = nextPath('/audit', { limit, after: next });
      if (path !== null) reply.header('link', `<${path}>; rel="next"`);
      return reply.headers(noStore).send({
        entries: entries.map(({ seq, at, by, action, target }) => ({
          id: String(seq),
          at: new Date(at).toISOString(),
          by,
          action,
          target,
        })),
        next: path,
      });
    },
  );

  const deletion = <Params extends z.ZodType>(operationId: string, what: string, who: string, params: Params) => ({
    schema: {
      operationId,
      tags: ['Order'],
      summary: `Delete a message ${what}`,
      description: `${who} Its readers are told by the event \`deleted\`, and no history has it any more.`,
      security: [{ token: [] as string[] }],
      params,
      querystring: NoQuery,
      response: {
        204: z.undefined().meta({ description: 'It is deleted.' }),
        ...problems({
          400: 'This cannot be the id of a message.',
          404: 'No such message is kept, or there is no such place.',
          410: 'The client has left, or that of the token.',
          429: 'Too many requests.',
          503: 'It cannot be made durable now.',
        }),
      },
    },
  });

  const remove = async (request: Parameters<typeof admit>[1], reply: object, to: Address, id: number) => {
    const acting = await admit(hub, request, reply);
    await acting.deleteMessage(to, id as Seq);
  };

  app.delete(
    '/clients/:index/messages/:id',
    deletion('deleteMessage', 'to a client', 'For administrators.', MessageParams),
    async (request, reply) => {
      const { index, id } = request.params;
      await remove(request, reply, { client: index as ClientIndex }, id);
      return reply.code(204).send();
    },
  );

  app.delete(
    '/rooms/:room/messages/:id',
    deletion(
      'deleteRoomMessage',
      'to a room',
      'For administrators; in a private room for its owner.',
      RoomMessageParams,
    ),
    async (request, reply) => {
      const { room, id } = request.params;
      await remove(request, reply, { room }, id);
      return reply.code(204).send();
    },
  );

  app.delete(
    '/messages/:id',
    deletion('deleteMessageToEveryone', 'to everyone', 'For administrators.', MessageIdParams),
    async (request, reply) => {
      await remove(request, reply, { everyone: true }, request.params.id);
      return reply.code(204).send();
    },
  );
}

function banJson({ id, target, until, reason, by, createdAt }: HubBan) {
  return {
    id,
    whom: 'address' in target ? `address ${target.address}` : target.name,
    until: new Date(until).toISOString(),
    reason,
    by,
    createdAt: new Date(createdAt).toISOString(),
  };
}
