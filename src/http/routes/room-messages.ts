import type { Seq } from '../../engine/engine.js';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { goneSignal } from '../gone.js';
import { answerEntry, answerHistory, historyQuery } from '../history.js';
import {
  HistoryPage,
  HistoryQuery,
  Message,
  NewMessage,
  NoQuery,
  RoomMessageParams,
  RoomParams,
  SendHeaders,
  SentMessage,
} from '../schemas.js';
import { answerSent, SEND_PROBLEMS, sendDocumentation } from '../sent.js';

/** `POST` and `GET /rooms/:room/messages`, and one of them: what is said in a room. */
export function roomMessages(app: App, { hub, metrics, underWay }: Context): void {
  const path = '/rooms/:room/messages';

  app.post(
    path,
    {
      schema: {
        operationId: 'sendToRoom',
        tags: ['Rooms'],
        summary: 'Reach all members of a room',
        description:
          'As SEND, to all who are in the room at this moment: stored once, whatever the size of the room. A sender that is in it gets ' +
          'it too. One need not be in a room to send to it.',
        security: [{}, { token: [] }],
        params: RoomParams,
        querystring: NoQuery,
        headers: SendHeaders,
        body: NewMessage,
        response: {
          201: {
            description: 'The message as it was accepted.',
            content: { 'application/json': { schema: SentMessage } },
          },
          ...problems({
            ...SEND_PROBLEMS,
            404: 'There is no such room.',
            410: 'The client of the token has left.',
          }),
        },
      },
      config: {
        textBody: true,
        openapi: sendDocumentation({ text: 'Hello, all!' }, 'Hello, all!', '/rooms/lobby/messages/17'),
      },
    },
    async (request, reply) => {
      const { room } = request.params;
      const acting = await admit(hub, request, reply);
      const { text, data, ttl } = request.body;
      const idempotencyKey = request.headers['idempotency-key'];
      const sent = await acting.send({ to: { room }, text, data, ttl, idempotencyKey });
      return answerSent(reply, metrics, `/rooms/${room}/messages`, sent);
    },
  );

  app.get(
    path,
    {
      schema: {
        operationId: 'readRoom',
        tags: ['Rooms'],
        summary: 'The history of a room',
        description:
          'What was sent to it since it is there. Pass the cursor of one answer as `after` of the next call.',
        params: RoomParams,
        querystring: HistoryQuery,
        response: {
          200: { description: 'What is there.', content: { 'application/json': { schema: HistoryPage } } },
          ...problems({
            400: 'A parameter is not valid or not known.',
            403: 'The Origin or Host is not allowed.',
            404: 'There is no such room.',
            429: 'Too many requests.',
            503: 'The log cannot be read now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { after } = request.query;
      const place = after === undefined ? undefined : await acting.placeOf(after, false, 'after');
      const query = historyQuery(request.query, place, underWay.reservation(request, reply));
      const page = await acting.readRoom(request.params.room, query, goneSignal(reply));
      return answerHistory(reply, page, String(page.position));
    },
  );

  app.get(
    `${path}/:id`,
    {
      schema: {
        operationId: 'readRoomMessage',
        tags: ['Rooms'],
        summary: 'One message of a room',
        params: RoomMessageParams,
        querystring: NoQuery,
        response: {
          200: { description: 'The message.', content: { 'application/json': { schema: Message } } },
          ...problems({
            400: 'This cannot be the name of a room, or the id of a message.',
            403: 'The Origin or Host is not allowed.',
            404: 'There is no such room, or no such message is kept.',
            429: 'Too many requests.',
            503: 'The log cannot be read now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const { room, id } = request.params;
      const acting = await admit(hub, request, reply);
      await underWay.reservation(request, reply).reserve(0);
      return answerEntry(reply, await acting.readRoomMessage(room, id as Seq));
    },
  );
}
