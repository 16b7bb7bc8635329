import { parseCookie, stringifySetCookie } from 'cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Acting } from '../hub/acting.js';
import { SESSION_UNUSED } from '../hub/access/sessions.js';
import { Unauthorized } from '../hub/errors.js';
import type { Claim } from '../hub/hub.js';
import { isOwn } from './browser-safety.js';
import type { App, HttpHub } from './context.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whoever it is, where that was found out before its body was read. */
    acting: Acting | undefined;
  }
}

/** Of the session by which a browser signs in. */
export const SESSION_COOKIE = 'interchat_session';

/** What is there for everybody even where only members may come, by the patterns of its paths. */
const PUBLIC = new Set(['/', '/healthz', '/readyz', '/openapi.yaml', '/openapi.json']);

/** Where somebody comes who has no credential yet; what may be done there is decided there. */
const DOORS = new Set(['POST /sessions', 'POST /accounts']);

/**
 * Lets in whoever asks.
 * @throws Unauthorized, ClientGone, Banned
 */
export async function admit(hub: HttpHub, request: FastifyRequest, reply: object): Promise<Acting> {
  if (request.acting) return request.acting;
  const token = bearerToken(request) ?? cookieToken(request);
  return guarded(request, reply as FastifyReply, () => hub.admit({ token, address: request.ip }));
}

/** The same for whoever opens a stream: a token may be in the query, and a cursor says who it is, too. */
export async function admitStream(
  hub: HttpHub,
  request: FastifyRequest<{ Querystring: { token?: string } }>,
  reply: FastifyReply,
  cursors: readonly string[],
): Promise<{ readonly acting: Acting; readonly claim: Claim }> {
  const token = bearerToken(request) ?? request.query.token ?? cookieToken(request);
  const claim = { token, cursors };
  return { claim, acting: await guarded(request, reply, () => hub.admitStream(claim, request.ip)) };
}

/**
 * Where only members may come, turns everybody else away before anything is read of what they send. A route that is added needs a
 * credential unless it is named here.
 */
export function registerMembersOnly(app: App, hub: HttpHub): void {
  app.addHook('onRequest', async (request, reply) => {
    const { url } = request.routeOptions;
    // A stream tells by itself who it is for, and there is nothing to be protected where there is nothing.
    if (url === undefined || PUBLIC.has(url) || url.startsWith('/docs')) return;
    // What the page loads: each file has a route of its own.
    if (url.startsWith('/assets/')) return;
    if (url === '/events' && request.method === 'GET') return;
    if (DOORS.has(`${request.method} ${url}`) || request.method === 'OPTIONS') return;
    request.acting = await admit(hub, request, reply);
  });
}

/** Keeps the token of a session in the browser, where no script reads it and no page of another site sends it. */
export function setSessionCookie(request: FastifyRequest, reply: FastifyReply, token: string): void {
  reply.header('set-cookie', cookie(request, token, Math.floor(SESSION_UNUSED / 1000)));
}

/** Has a browser that uses its session keep it for as long as the session now lasts. */
export function renewSessionCookie(request: FastifyRequest, reply: FastifyReply): void {
  const token = cookieToken(request);
  if (token !== undefined && bearerToken(request) === undefined) setSessionCookie(request, reply, token);
}

/** Whether somebody says who it is, rightly or not. */
export function hasCredential(request: FastifyRequest): boolean {
  return request.headers.authorization !== undefined || cookieToken(request) !== undefined;
}

/** Has the browser forget it. */
export function clearSessionCookie(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('set-cookie', cookie(request, '', 0));
}

function cookie(request: FastifyRequest, value: string, maxAge: number): string {
  return stringifySetCookie({
    name: SESSION_COOKIE,
    value,
    maxAge,
    path: '/',
    httpOnly: true,
    sameSite: 'strict',
    secure: request.protocol === 'https',
  });
}

/** A browser whose session is over would send its cookie for ever. */
async function guarded(request: FastifyRequest, reply: FastifyReply, let_in: () => Promise<Acting>): Promise<Acting> {
  try {
    return await let_in();
  } catch (error) {
    if (error instanceof Unauthorized && cookieToken(request) !== undefined) clearSessionCookie(request, reply);
    throw error;
  }
}

/**
 * The token in `Authorization: Bearer TOKEN` (RFC 6750, section 2.1); undefined when there is no such header.
 * @throws Unauthorized for any other scheme
 */
function bearerToken(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers;
  if (authorization === undefined) return undefined;
  const match = /^Bearer +(\S+) *$/i.exec(authorization);
  if (!match)
    throw new Unauthorized('The Authorization header is to be: Bearer TOKEN, with the token from the welcome.');
  return match[1];
}

/**
 * The token in the cookie; undefined where there is none, or the request was not made by this server's own page: a browser sends
 * the cookie of one port of a machine with what pages of its other ports ask for, and those are of another origin
 * (Fetch Metadata, section 2.2).
 */
function cookieToken(request: FastifyRequest): string | undefined {
  const { cookie: header, origin, host, 'sec-fetch-site': site } = request.headers;
  if (header === undefined || !header.includes(SESSION_COOKIE)) return undefined;
  const own =
    origin === undefined ? site === undefined || site === 'same-origin' || site === 'none' : isOwn(origin, host);
  return own ? parseCookie(header)[SESSION_COOKIE] || undefined : undefined;
}
