import { z } from 'zod';
import type { Session as HubSession } from '../../hub/access/sessions.js';
import type { ClientInfo } from '../../hub/clients.js';
import type { Acting } from '../../hub/acting.js';
import { clientJson } from '../../stream/json.js';
import { admit, clearSessionCookie, renewSessionCookie, setSessionCookie } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { NoQuery, SessionList, SessionParams, SignedIn, SignIn, WhoAmI } from '../schemas.js';

const NO_SESSION = 'The credential is that of no account, or the Origin or Host is not allowed.';

/** `POST`, `GET` and `DELETE /sessions`, `GET` and `DELETE /sessions/current`, and `DELETE /sessions/:id`: signing in and out. */
export function sessions(app: App, { hub, settings }: Context): void {
  const house = () => ({ access: settings.access, registration: settings.registration });
  const noStore = { 'cache-control': 'no-store' };
  const ended = { 204: z.undefined().meta({ description: 'Signed out.' }) };

  app.post(
    '/sessions',
    {
      schema: {
        operationId: 'signIn',
        tags: ['Accounts'],
        summary: 'Sign in',
        description:
          'Begins a session of an account: the token is to be sent as `Authorization: Bearer TOKEN`; a browser gets a cookie as well, which no ' +
          'script can read, so that a plain EventSource is signed in. The client of an account keeps its index, name, rooms and mailbox, ' +
          'away or not, over any number of devices. A wrong name and a wrong password are answered alike; after some that were wrong, the next try has to wait.',
        security: [{}],
        querystring: NoQuery,
        body: SignIn,
        response: {
          201: { description: 'Signed in.', content: { 'application/json': { schema: SignedIn } } },
          ...problems({
            400: 'The body is not valid.',
            401: 'The name or the password is wrong.',
            403: 'The account or the address is kept out, or the Origin or Host is not allowed.',
            413: 'The body is too large.',
            415: 'The body is not JSON.',
            429: 'Too many requests, or too many wrong passwords: Retry-After says when to try again.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
      config: {
        openapi: {
          requestBody: {
            content: { 'application/json': { example: { name: 'alice', password: 'correct horse battery staple' } } },
          },
          responses: {
            201: {
              headers: {
                'Set-Cookie': {
                  schema: { type: 'string' },
                  example: 'interchat_session=ics_ID_SECRET; Path=/; HttpOnly; SameSite=Strict',
                },
              },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const { name, password } = request.body;
      const device = request.headers['user-agent'] ?? null;
      const signedIn = await hub.admitToSignIn(request.ip).signIn(name, password, device, request.ip);
      setSessionCookie(request, reply, signedIn.token);
      const { token, account, client } = signedIn;
      return reply
        .code(201)
        .headers(noStore)
        .send({
          token,
          kind: 'account' as const,
          name: account.name,
          client: clientJson(client),
          may: [...account.may],
          expiresAt: null,
          ...house(),
        });
    },
  );

  app.get(
    '/sessions',
    {
      schema: {
        operationId: 'listSessions',
        tags: ['Accounts'],
        summary: 'Where one is signed in',
        description: 'For whoever has signed in with an account.',
        security: [{ token: [] }],
        querystring: NoQuery,
        response: {
          200: {
            description: 'All sessions of one’s account.',
            content: { 'application/json': { schema: SessionList } },
          },
          ...problems({ 400: 'A parameter is not known.', 403: NO_SESSION }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { session: current } = acting.caller;
      return reply.headers(noStore).send({
        sessions: acting.own.sessionsOf(acting.caller).map((session) => sessionJson(session, current)),
      });
    },
  );

  app.get(
    '/sessions/current',
    {
      schema: {
        operationId: 'whoAmI',
        tags: ['Accounts'],
        summary: 'Who one is, and what one may do',
        description: 'By whatever credential, or none. It takes no permission.',
        security: [{}, { token: [] }],
        querystring: NoQuery,
        response: {
          200: { description: 'That.', content: { 'application/json': { schema: WhoAmI } } },
          ...problems({ 400: 'A parameter is not known.', 410: 'The client has left.', 429: 'Too many requests.' }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const client = acting.index === null ? null : await acting.client(acting.index);
      renewSessionCookie(request, reply);
      return reply.headers(noStore).send({ ...whoAmI(acting, client), ...house() });
    },
  );

  app.delete(
    '/sessions',
    {
      schema: {
        operationId: 'signOutEverywhere',
        tags: ['Accounts'],
        summary: 'Sign out everywhere',
        description: 'Ends all sessions of one’s account; their streams end with `bye`.',
        security: [{ token: [] }],
        querystring: NoQuery,
        response: {
          ...ended,
          ...problems({
            400: 'A parameter is not known.',
            403: NO_SESSION,
            429: 'Too many requests.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      await acting.own.endSessions(acting.caller);
      clearSessionCookie(request, reply);
      return reply.code(204).send();
    },
  );

  app.delete(
    '/sessions/current',
    {
      schema: {
        operationId: 'signOut',
        tags: ['Accounts'],
        summary: 'Sign out',
        description: 'Ends the session that asks; its streams end with `bye`.',
        security: [{ token: [] }],
        querystring: NoQuery,
        response: {
          ...ended,
          ...problems({
            400: 'A parameter is not known.',
            429: 'Too many requests.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      await acting.own.endSession(acting.caller, acting.caller.session);
      clearSessionCookie(request, reply);
      return reply.code(204).send();
    },
  );

  app.delete(
    '/sessions/:id',
    {
      schema: {
        operationId: 'signOutDevice',
        tags: ['Accounts'],
        summary: 'Sign another device out',
        description: 'One that was lost, say. Its streams end with `bye`.',
        security: [{ token: [] }],
        params: SessionParams,
        querystring: NoQuery,
        response: {
          ...ended,
          ...problems({
            400: 'This cannot be the id of a session.',
            403: NO_SESSION,
            404: 'There is no such session of one’s own.',
            429: 'Too many requests.',
            503: 'It cannot be made durable now.',
          }),
        },
      },
    },
    async (request, reply) => {
      const acting = await admit(hub, request, reply);
      const { id } = request.params;
      await acting.own.endSession(acting.caller, id);
      if (id === acting.caller.session) clearSessionCookie(request, reply);
      return reply.code(204).send();
    },
  );
}

function whoAmI({ caller }: Acting, client: ClientInfo | null) {
  return {
    kind: caller.kind,
    name: caller.name,
    client: client && clientJson(client),
    may: [...caller.may.texts],
    expiresAt: caller.expiresAt === null ? null : new Date(caller.expiresAt).toISOString(),
  };
}

function sessionJson({ id, device, createdAt, usedAt }: HubSession, current: string | null) {
  return {
    id,
    current: id === current,
    device,
    createdAt: new Date(createdAt).toISOString(),
    usedAt: new Date(usedAt).toISOString(),
  };
}
