import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { EngineUnavailable } from '../../engine/engine.js';
import type { ClientInfo } from '../../hub/clients.js';
import { placeText } from '../../hub/credentials.js';
import { Connection } from '../../hub/hub.js';
import {
  type Addressee,
  EventStream,
  type EventStreamOptions,
  turnedAway,
  type Welcome,
} from '../../stream/event-stream.js';
import { type Format, ndjson, sse } from '../../stream/format.js';
import { admitStream } from '../admission.js';
import { clientJson } from '../../stream/json.js';
import type { App, Context, HttpHub } from '../context.js';
import { problems } from '../documentation.js';
import { negotiate } from '../negotiation.js';
import { HttpProblem } from '../problem.js';
import { ConnectHeaders, ConnectQuery } from '../schemas.js';

type Query = z.output<typeof ConnectQuery>;

const KNOWN = new Set(Object.keys(ConnectQuery.shape));

const HEADERS = {
  'cache-control': 'no-store, no-transform',
  // nginx would otherwise keep events back until its buffer is full.
  'x-accel-buffering': 'no',
};

const WELCOME = `retry: 1083
event: welcome
id: 0.2.MAC
data: {"client":{"index":2,"name":"bob","status":"online","socket":4,"streams":1,"connectedAt":"2026-01-31T12:00:00.000Z","lastSeenAt":"2026-01-31T12:00:00.000Z","rooms":["lobby"]},"token":"ict_2_MAC","cursor":"0.2.MAC","resumed":false,"heartbeat":15}

`;

/** Each event as it stands in the stream. */
const EXAMPLES = {
  beginning: { summary: 'welcome: always the first', value: WELCOME },
  direct: {
    summary: 'a message to this client',
    value: `data: {"id":"17","from":{"index":1,"name":"alice"},"to":{"client":2},"text":"Hello, Client 2!","sentAt":"2026-01-31T12:00:00.000Z"}
id: 17.2.MAC

`,
  },
  room: {
    summary: 'a message to a room it is in',
    value: `data: {"id":"18","from":{"index":1,"name":"alice"},"to":{"room":"lobby"},"data":{"temperature":21.5},"sentAt":"2026-01-31T12:00:01.000Z"}
id: 18.2.MAC

`,
  },
  presence: {
    summary: 'presence: somebody came (with presence=true)',
    value: `event: presence
data: {"change":"joined","client":{"index":3,"name":"carol","status":"online","socket":5,"streams":1,"connectedAt":"2026-01-31T12:00:02.000Z","lastSeenAt":"2026-01-31T12:00:02.000Z","rooms":[]}}

`,
  },
  gap: {
    summary: 'gap: what was missed is no longer kept',
    value: `event: gap
data: {"after":"17","oldest":"60017","to":{"room":"lobby"}}

`,
  },
  read: {
    summary: 'read: another device of this client has read so far',
    value: `event: read
data: {"mailbox":"17","everyone":null,"rooms":{"lobby":"18"},"unread":{"mailbox":0,"everyone":0,"rooms":{"lobby":0}}}

`,
  },
  deleted: {
    summary: 'deleted: a message is no longer there',
    value: `event: deleted
data: {"id":"18","to":{"room":"lobby"}}
id: 19.2.MAC

`,
  },
  invited: {
    summary: 'invited: one may enter a private room',
    value: `event: invited
data: {"room":"team","by":{"index":1,"name":"alice"}}

`,
  },
  bye: {
    summary: 'bye: the last',
    value: `event: bye
data: {"reason":"shutdown"}

`,
  },
};

/** What a stream says, where a person looks for it. */
const EVENTS = `
### The events

| event | data | id |
|---|---|---|
| \`welcome\`, always first, after a \`retry:\` line | WelcomeEvent: who one is, the token, the cursor | the cursor |
| unnamed, so that \`onmessage\` gets it | StreamMessage | the cursor after it |
| \`gap\` | GapEvent: messages between these are no longer kept | |
| \`presence\`, with \`presence=true\` | PresenceEvent: who came, went, was renamed, entered or left a room | |
| \`read\` | ReadState: how far this client has read, said on another device | |
| \`deleted\` | DeletedEvent: a message was deleted | the cursor behind it |
| \`invited\` | InvitedEvent: one may enter a private room | |
| \`bye\`, the last | ByeEvent: \`shutdown\`, \`left\`, \`slow-consumer\`, \`expired\`, \`removed\` or \`signed-out\` | |

The ids of messages ascend, but for those that are marked \`late\`: the client has not had these, and must not drop them for their ids.

A comment line (\`:\`) comes every heartbeat. Each event has its data as JSON on one line. With \`Accept: application/x-ndjson\` the same comes as
a StreamLine a line. The examples of the answer below show each of them.

\`curl -N 'localhost:8080/events?name=bob&rooms=lobby&presence=true'\` shows a stream as it comes; this page cannot, since it does not end.
`;

const STREAM_ANSWER = {
  responses: {
    200: {
      description: 'The stream. It does not end by itself.',
      headers: {
        'Cache-Control': { schema: { type: 'string' }, example: 'no-store, no-transform' },
        'X-Accel-Buffering': { schema: { type: 'string' }, example: 'no' },
      },
      content: {
        'text/event-stream': { schema: { type: 'string' }, examples: EXAMPLES },
        'application/x-ndjson': { schema: { $ref: '#/components/schemas/StreamLine' } },
      },
    },
  },
};

/** `GET /events`: makes a client, or finds out which one it is, and opens a stream for it. */
export function connect(app: App, context: Context): void {
  const { hub } = context;

  app.get(
    '/events',
    {
      // HEAD has a route of its own below: it must not make a client.
      exposeHeadRoute: false,
      schema: {
        operationId: 'connect',
        tags: ['Connect'],
        summary: 'Become a client and open its stream',
        description:
          'One request makes a client and opens its stream. Who it is, is said by the first that is there: the Bearer token, `token`, ' +
          'the cursor in Last-Event-ID, the cursor in `after`; with none of them it is a new client. So a plain EventSource that ' +
          'reconnects is the same client again.\n\nA token that is not genuine is refused; a cursor that is not genuine, or whose ' +
          'client has left, opens a new client with `resumed: false`. The client of an account, a key or an identity is proved by its ' +
          'credential alone, beside which the cursor says from where to go on. Unknown parameters are ignored and named in the welcome.\n' +
          EVENTS,
        security: [{}, { token: [] }],
        headers: ConnectHeaders,
        querystring: ConnectQuery,
        response: problems({
          400: 'A parameter is not valid.',
          401: 'The token is not genuine.',
          403: 'The Origin or Host is not allowed.',
          406: 'Neither text/event-stream nor application/x-ndjson is acceptable.',
          409: 'The name belongs to somebody who signs in with it; or the client enters another room of this name at the same time.',
          410: 'The client of the token has left.',
          422: 'These are more rooms than one may be in.',
          429: 'Too many requests, or 16 streams of this client are open.',
          503: 'The client cannot be made durable now.',
        }),
      },
      config: { openapi: STREAM_ANSWER },
      errorHandler: (error, request, reply) => {
        if (isToComeBack(request, error)) turnAway(reply, formatOf(request));
        else (reply as FastifyReply).send(error);
      },
    },
    async (request, reply) => {
      const format = formatOf(request);
      if (hub.draining) return turnAway(reply, format);
      const { acting, identity, welcome } = await admit(context, request, reply);
      const connection = new Connection(identity.index, acting.caller, acting.address);
      endWith(reply.raw, hub, connection);
      endWithInput(reply.raw);
      const open = (client: ClientInfo) => {
        // The head and the welcome in one write.
        const { socket } = reply.raw;
        socket?.cork();
        const stream = openStream(reply, context.streamOptions[format.name], welcome(client));
        socket?.uncork();
        context.underWay.isStream(reply.raw);
        return stream;
      };
      try {
        await acting.openStream(identity, request.query.presence === 'true', connection, open);
      } catch (error) {
        if (!reply.raw.headersSent) throw error;
        // The log cannot be read on. Whoever is at the other end will come back with its cursor.
        context.logger.error({ err: error, client: identity.index }, 'stream broken off');
        reply.raw.destroy();
      }
      return reply;
    },
  );

  app.head('/events', { schema: { hide: true } }, (request, reply) =>
    reply.headers(HEADERS).type(formatOf(request).contentType).send(),
  );
}

/** Finds out who it is, and how to welcome it. */
async function admit({ hub, settings }: Context, request: FastifyRequest<{ Querystring: Query }>, reply: object) {
  const { query } = request;
  const { acting, claim } = await admitStream(hub, request, reply as FastifyReply, cursorsOf(request, query));
  const wishes = {
    name: query.name ?? null,
    rooms: query.rooms ?? [],
    again: Boolean(request.headers['last-event-id']),
  };
  const identity = await acting.identify(claim, wishes, query.presence === 'true');
  const { index, position, low } = identity;
  const ignored = Object.keys(query).filter((key) => !KNOWN.has(key));
  const cursorSuffix = hub.credentials.cursorSuffix(index);
  const cursor = `${placeText(position, low)}${cursorSuffix}`;
  const welcome = (client: ClientInfo) => ({
    index,
    cursorSuffix,
    cursor,
    json: JSON.stringify({
      client: clientJson(client),
      // Whoever signs in has a credential already, which can be taken back: no other is made of it.
      token: acting.caller.subject === null ? hub.credentials.token(index) : null,
      cursor,
      resumed: identity.resumed,
      heartbeat: settings.heartbeat,
      ignored: ignored.length > 0 ? ignored.map((key) => key.slice(0, 64)).slice(0, 16) : undefined,
    }),
  });
  return { acting, identity, welcome };
}

function cursorsOf(request: FastifyRequest, query: Query): string[] {
  const header = request.headers['last-event-id'];
  const cursors = [header, query.after, query.lastEventId].filter((text) => typeof text === 'string' && text !== '');
  return cursors as string[];
}

/** Tells the hub when nobody is there any more. Apart, as what listens lives as long as the stream, and so does all it can see. */
function endWith(response: ServerResponse, hub: HttpHub, connection: Connection): void {
  if (response.destroyed) hub.disconnected(connection);
  else response.on('close', () => hub.disconnected(connection));
}

/**
 * Ends a stream when the other side says that nothing more comes from it. An answer would still be taken, but whether somebody
 * listens to a stream can be told by this alone. One that waits for its turn does so when it comes.
 */
function endWithInput(response: ServerResponse): void {
  const { socket } = response;
  if (socket) endTogether(socket);
  else response.once('socket', endTogether);
}

function endTogether(socket: Socket): void {
  if (socket.readableEnded) socket.destroy();
  else socket.on('end', destroy);
}

/** Shared by all streams, as there are many. */
function destroy(this: Socket): void {
  this.destroy();
}

/**
 * Answers with the head of a stream and its welcome. What follows has no length and no chunks: it ends with the connection.
 */
function openStream(reply: FastifyReply, options: EventStreamOptions, welcome: Addressee & Welcome): EventStream {
  writeHead(reply, options.format);
  const { raw } = reply;
  const stream = new EventStream(outOf(raw), welcome, options);
  stream.welcome(welcome);
  stream.flush();
  // It lives for long, and nobody asks any more what its request said.
  raw.req.headers = {};
  raw.req.rawHeaders = [];
  return stream;
}

/**
 * Where the bytes of a stream go. Past the response, as there is nothing to be done to them any more; but it has no socket
 * yet where an answer to an earlier request on the connection is still under way.
 */
function outOf(response: ServerResponse): Writable {
  if (response.socket) return response.socket;
  // A reset by the peer is an ordinary end, told by 'close'. Of sockets the server listens to that itself.
  return response.on('error', () => undefined);
}

/**
 * An EventSource that tries again would give up for good on an error: without the engine, and where too many come at once, it is
 * told to try once more.
 */
function isToComeBack(request: FastifyRequest, error: unknown): boolean {
  if (!request.headers['last-event-id']) return false;
  if (error instanceof HttpProblem) return error.code === 'unavailable' || error.code === 'too-many-requests';
  return error instanceof EngineUnavailable;
}

function turnAway(reply: FastifyReply, format: Format): FastifyReply {
  writeHead(reply, format);
  reply.raw.end(turnedAway(format));
  return reply;
}

function writeHead(reply: FastifyReply, format: Format): void {
  const headers = { ...reply.getHeaders(), ...HEADERS, 'content-type': format.contentType };
  reply.hijack();
  const { raw } = reply;
  raw.useChunkedEncodingByDefault = false;
  raw.shouldKeepAlive = false;
  raw.writeHead(200, headers as Record<string, string>);
  raw.flushHeaders();
}

function formatOf(request: FastifyRequest): Format {
  return negotiate(request, [sse.contentType, ndjson.contentType]) === ndjson.contentType ? ndjson : sse;
}
