import { z } from 'zod';
import type { Key as HubKey } from '../../hub/access/keys.js';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { KeyList, MadeKey, NameParams, NewKey, NoQuery } from '../schemas.js';

/** `POST` and `GET /keys`, `DELETE /keys/:name`: credentials for machines. */
export function keys(app: App, { hub }: Context): void {
  app.post(
    '/keys',
    {
      schema: {
        operationId: 'createKey',
        tags: ['Keys'],
        summary: 'Make a key for a machine',
        description:
          'For administrators. A key is a client of its own, by its name, and may do what it was made for and nothing else.',
        security: [{ token: [] }],
        querystring: NoQuery,
        body: NewKey,
        response: {
          201: { description: 'The key.', content: { 'application/json': { schema: MadeKey } } },
          ...problems({
            400: 'The name, a permission or the time is not valid.',
            409: 'The name is taken.',
            413: 'The body is too large.',
            415: 'The body is not JSON.',
            429: 'Too many requests.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
      config: {
        openapi: {
          requestBody: {
            content: { 'application/json': { example: { name: 'sensor', may: ['send:room/alerts'] } } },
          },
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { name, may, expiresAt } = request.body;
      const expires = expiresAt === undefined ? null : Date.parse(expiresAt);
      const { key, text } = await acting.administration.addKey(acting.caller, name, may, expires);
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ ...keyJson(key), key: text });
    },
  );

  app.get(
    '/keys',
    {
      schema: {
        operationId: 'listKeys',
        tags: ['Keys'],
        summary: 'Which keys there are',
        description: 'For administrators; with when each was last used.',
        security: [{ token: [] }],
        querystring: NoQuery,
        response: {
          200: { description: 'All keys.', content: { 'application/json': { schema: KeyList } } },
          ...problems({ 400: 'A parameter is not known.', 429: 'Too many requests.' }),
        },
      },
    },
    async (request, reply) => {
      const { administration } = await admit(hub, request, reply);
      return reply.header('cache-control', 'no-store').send({ keys: administration.listKeys().map(keyJson) });
    },
  );

  app.delete(
    '/keys/:name',
    {
      schema: {
        operationId: 'revokeKey',
        tags: ['Keys'],
        summary: 'Revoke a key',
        description:
          'For administrators; by its name or its id. It is not taken any more from now on, and its client leaves.',
        security: [{ token: [] }],
        params: NameParams,
        querystring: NoQuery,
        response: {
          204: z.undefined().meta({ description: 'It is revoked.' }),
          ...problems({
            400: 'This cannot be the name of a key.',
            404: 'There is no such key.',
            429: 'Too many requests.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      await acting.administration.revokeKey(acting.caller, request.params.name);
      return reply.code(204).send();
    },
  );
}

function keyJson({ id, name, may, createdAt, expiresAt, usedAt }: HubKey) {
  const time = (at: number | null) => (at === null ? null : new Date(at).toISOString());
  return {
    id,
    name,
    may: [...may],
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: time(expiresAt),
    usedAt: time(usedAt),
  };
}
