import type { Seq } from '../../engine/engine.js';
import type { ClientIndex } from '../../hub/client-index.js';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { goneSignal } from '../gone.js';
import { answerEntry, answerHistory, historyQuery } from '../history.js';
import { HistoryQuery, IndexParams, Message, MessagePage, MessageParams, NoQuery } from '../schemas.js';

/** `GET /clients/:index/messages` and one of them: reading without a stream. */
export function readMailbox(app: App, { hub, underWay }: Context): void {
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
        querystring: HistoryQuery,
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
      const acting = await admit(hub, request, reply);
      await acting.assertSelf(index);
      const { after } = request.query;
      const place = after === undefined ? undefined : await acting.placeOf(after, true, 'after');
      const page = await acting.readMailbox(
        index,
        historyQuery(request.query, place, underWay.reservation(request, reply)),
        goneSignal(reply),
      );
      return answerHistory(reply, page, hub.credentials.cursor(index, page.position));
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
      const acting = await admit(hub, request, reply);
      await underWay.reservation(request, reply).reserve(0);
      const entry = await acting.readMessage(index, request.params.id as Seq);
      return answerEntry(reply, entry);
    },
  );
}
