import type { Entry, Seq } from '../../engine/engine.js';
import type { ClientIndex } from '../../hub/client-index.js';
import { messageJson } from '../../hub/message.js';
import { bearerToken } from '../bearer.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { IndexParams, MailboxQuery, Message, MessagePage, MessageParams, NoQuery } from '../schemas.js';
import { JSON_TYPE, verbatim } from '../verbatim.js';

/** `GET /clients/:index/messages` and one of them: reading without a stream. */
export function readMailbox(app: App, { hub }: Context): void {
  app.get(
    '/clients/:index/messages',
    {
      schema: {
        operationId: 'readMailbox',
        tags: ['Mailbox'],
        summary: 'Read a mailbox without a stream',
        description: 'For scripts, cron jobs and agents. Pass the cursor of one answer as `after` of the next call.',
        security: [{ token: [] }],
        params: IndexParams,
        querystring: MailboxQuery,
        response: {
          200: { description: 'What is there.', content: { 'application/json': { schema: MessagePage } } },
          ...problems({
            400: 'A parameter is not valid or not known.',
            401: 'There is no token, or one that is not genuine.',
            403: "The token or the cursor is another client's, or the Origin or Host is not allowed.",
            404: 'There has never been such a client.',
            410: 'The client has left.',
            429: 'Too many requests.',
            503: 'The log cannot be read now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const index = request.params.index as ClientIndex;
      await hub.authorize(bearerToken(request), index);
      const { after, before, limit, wait } = request.query;
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const query = {
        after: after === undefined ? undefined : await hub.placeOf(after, index, 'after'),
        before: before as Seq | undefined,
        limit,
        wait: wait * 1000,
      };
      const { entries, position, gap } = await hub.readMailbox(index, query, gone.signal);
      const cursor = hub.credentials.cursor(index, position);
      reply.header('cache-control', 'no-store');
      const messages = entries.map(entryJson).join();
      return verbatim(reply, JSON_TYPE, `{"messages":[${messages}],"cursor":${JSON.stringify(cursor)},"gap":${gap}}`);
    },
  );

  app.get(
    '/clients/:index/messages/:id',
    {
      schema: {
        operationId: 'readMessage',
        tags: ['Mailbox'],
        summary: 'Read one message',
        description: 'What the Location of a SEND names. For its addressee and its sender.',
        security: [{ token: [] }],
        params: MessageParams,
        querystring: NoQuery,
        response: {
          200: { description: 'The message.', content: { 'application/json': { schema: Message } } },
          ...problems({
            400: 'This cannot be the id of a message.',
            401: 'There is no token, or one that is not genuine.',
            403: 'The token is neither the addressee’s nor the sender’s, or the Origin or Host is not allowed.',
            404: 'There has never been such a client, or no such message is kept.',
            410: 'The client has left, and its mailbox with it.',
            429: 'Too many requests.',
            503: 'The log cannot be read now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const index = request.params.index as ClientIndex;
      const entry = await hub.readMessage(index, request.params.id as Seq, bearerToken(request));
      reply.header('cache-control', 'no-store');
      return verbatim(reply, JSON_TYPE, entryJson(entry));
    },
  );
}

function entryJson({ seq, body }: Entry): string {
  return messageJson(seq, Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
}
