import type { Seq } from '../../engine/engine.js';
import type { Address } from '../../hub/topics.js';
import { admit } from '../admission.js';
import { LINES, NDJSON_TYPE } from '../bodies.js';
import { Bulk } from '../bulk.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { goneSignal } from '../gone.js';
import { answerEntry, answerHistory, historyQuery } from '../history.js';
import {
  HistoryQuery,
  Message,
  MessageIdParams,
  MessagePage,
  MessageToAny,
  NoQuery,
  SendHeaders,
  SentMessage,
} from '../schemas.js';
import { answerSent, SEND_PROBLEMS, sendDocumentation } from '../sent.js';

const DOCUMENTATION = sendDocumentation(
  { to: { everyone: true }, text: 'Hello, everyone!' },
  'Hello, everyone!',
  '/messages/17',
);

const BULK = {
  requestBody: {
    content: {
      [NDJSON_TYPE]: {
        schema: { $ref: '#/components/schemas/BulkLine' },
        example: '{"to":{"client":1},"text":"one"}\n{"to":{"room":"lobby"},"text":"two"}\n',
      },
    },
  },
  responses: {
    200: {
      description: 'To lines: a line each, in the same order.',
      content: {
        [NDJSON_TYPE]: {
          schema: { $ref: '#/components/schemas/BulkResult' },
          example: '{"id":"17","reach":1}\n{"id":"18","reach":3}\n',
        },
      },
    },
  },
};

/** `POST /messages`: to anybody, one message or many. `GET /messages`: what was sent to everyone. */
export function messages(app: App, context: Context): void {
  const { hub, metrics, underWay } = context;

  app.post(
    '/messages',
    {
      schema: {
        operationId: 'sendToAny',
        tags: ['SEND'],
        summary: 'Reach everyone, a room or a client; one message or many',
        description:
          'As SEND, to whom `to` says. A text/plain or form body goes to everyone. As application/x-ndjson each line is such a message, and ' +
          'each line of the answer its result, in the same order and while more are sent: `{id, reach}`, or a problem that says what is wrong ' +
          'with that line while the others go through. There may be any number of lines. To be able to send all of them again after a ' +
          'broken connection, give each an `idempotencyKey`, or all of them the header Idempotency-Key: then the number of a line is ' +
          'part of its key.',
        security: [{}, { token: [] }],
        querystring: NoQuery,
        headers: SendHeaders,
        body: MessageToAny,
        response: {
          201: {
            description: 'The message as it was accepted.',
            content: { 'application/json': { schema: SentMessage } },
          },
          ...problems({
            ...SEND_PROBLEMS,
            404: 'There is no such client or room.',
            410: 'The addressee, or the client of the token, has left.',
          }),
        },
      },
      config: {
        textBody: true,
        linesBody: true,
        openapi: {
          requestBody: { content: { ...DOCUMENTATION.requestBody.content, ...BULK.requestBody.content } },
          responses: { ...BULK.responses, ...DOCUMENTATION.responses },
        },
      },
      validatorCompiler: ({ schema, httpPart }) => {
        // Lines are validated one by one, as they come in.
        const validate = app.validatorCompiler?.({ schema, httpPart } as never) as (body: unknown) => unknown;
        return (body: unknown) => (body === LINES ? { value: LINES } : validate(body)) as never;
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const idempotencyKey = request.headers['idempotency-key'];
      if ((request.body as unknown) === LINES) {
        await new Bulk(context, request, acting, idempotencyKey).answer(reply);
        return reply;
      }
      const { to, text, data, ttl } = request.body;
      const sent = await acting.send({ to: to as Address, text, data, ttl, idempotencyKey });
      return answerSent(reply, metrics, pathOf(to as Address), sent);
    },
  );

  app.get(
    '/messages',
    {
      schema: {
        operationId: 'readEveryone',
        tags: ['Mailbox'],
        summary: 'What was sent to everyone',
        description: 'Since the client that asks is there. Pass the cursor of one answer as `after` of the next call.',
        security: [{ token: [] }],
        querystring: HistoryQuery,
        response: {
          200: { description: 'What is there.', content: { 'application/json': { schema: MessagePage } } },
          ...problems({
            400: 'A parameter is not valid or not known.',
            401: 'There is no token, or one that is not genuine.',
            403: "The cursor is another client's, or the Origin or Host is not allowed.",
            410: 'The client has left.',
            429: 'Too many requests.',
            503: 'The log cannot be read now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const index = acting.self();
      const { after } = request.query;
      const place = after === undefined ? undefined : await acting.placeOf(after, true, 'after');
      const page = await acting.readEveryone(
        historyQuery(request.query, place, underWay.reservation(request, reply)),
        goneSignal(reply),
      );
      return answerHistory(reply, page, hub.credentials.cursor(index, page.position));
    },
  );

  app.get(
    '/messages/:id',
    {
      schema: {
        operationId: 'readMessageToEveryone',
        tags: ['Mailbox'],
        summary: 'One message to everyone',
        description: 'For its sender, and for those who were there when it was sent.',
        security: [{ token: [] }],
        params: MessageIdParams,
        querystring: NoQuery,
        response: {
          200: { description: 'The message.', content: { 'application/json': { schema: Message } } },
          ...problems({
            400: 'This cannot be the id of a message.',
            401: 'There is no token, or one that is not genuine.',
            403: 'The Origin or Host is not allowed.',
            404: 'No such message is kept, or it was sent before the client was there.',
            410: 'The client has left.',
            429: 'Too many requests.',
            503: 'The log cannot be read now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      await underWay.reservation(request, reply).reserve(0);
      return answerEntry(reply, await acting.readMessageToEveryone(request.params.id as Seq));
    },
  );
}

/** Where messages to this address are read. */
function pathOf(to: Address): string {
  if ('client' in to) return `/clients/${to.client}/messages`;
  return 'room' in to ? `/rooms/${to.room}/messages` : '/messages';
}
