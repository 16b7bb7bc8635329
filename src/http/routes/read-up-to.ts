import type { Seq } from '../../engine/engine.js';
import type { ClientIndex } from '../../hub/client-index.js';
import { readStateJson } from '../../stream/json.js';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { IndexParams, NoQuery, ReadMarks, ReadState } from '../schemas.js';

const REFUSALS = {
  400: 'This cannot be an index.',
  401: 'There is no token, or one that is not genuine.',
  403: "The token is another client's, or the Origin or Host is not allowed.",
  404: 'There has never been such a client.',
  410: 'The client has left.',
  429: 'Too many requests.',
  503: 'The log cannot be read now.',
};

/** `GET` and `PUT /clients/:index/read`: how far a person has read, on whatever device. */
export function readUpTo(app: App, { hub }: Context): void {
  const path = '/clients/:index/read';
  const state = { description: 'Marks and unread counts.', content: { 'application/json': { schema: ReadState } } };

  app.get(
    path,
    {
      schema: {
        operationId: 'getReadState',
        tags: ['Mailbox'],
        summary: 'How far one has read, and how much is unread',
        security: [{ token: [] }],
        params: IndexParams,
        querystring: NoQuery,
        response: { 200: state, ...problems(REFUSALS) },
      },
    },
    async (request, reply) => {
      const index = request.params.index as ClientIndex;
      const acting = await admit(hub, request, reply);
      return reply.header('cache-control', 'no-store').send(readStateJson(await acting.readState(index)));
    },
  );

  app.put(
    path,
    {
      schema: {
        operationId: 'markRead',
        tags: ['Mailbox'],
        summary: 'Say how far one has read',
        description:
          'Kept for this client over all its devices, and told to nobody but its own streams, by the event `read`. No mark goes back.',
        security: [{ token: [] }],
        params: IndexParams,
        querystring: NoQuery,
        body: ReadMarks,
        response: {
          200: state,
          ...problems({
            ...REFUSALS,
            400: 'A mark is not valid, or of a room that the client is not in.',
            413: 'The body is too large.',
            415: 'The body is not JSON.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
      config: { openapi: { requestBody: { content: { 'application/json': { example: { mailbox: '17' } } } } } },
    },
    async (request, reply) => {
      const index = request.params.index as ClientIndex;
      const acting = await admit(hub, request, reply);
      const { mailbox, everyone, rooms } = request.body;
      const marks = {
        mailbox: placeOf(mailbox),
        everyone: placeOf(everyone),
        rooms: new Map(Object.entries(rooms ?? {}).map(([room, id]) => [room, Number(id) as Seq])),
      };
      return reply.header('cache-control', 'no-store').send(readStateJson(await acting.markRead(index, marks)));
    },
  );
}

function placeOf(id: string | undefined): Seq | undefined {
  return id === undefined ? undefined : (Number(id) as Seq);
}
