import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ClientInfo, ClientPage } from '../hub/clients.js';
import { clientJson } from '../stream/json.js';
import { clientLine } from './client-line.js';
import { varyByAccept } from './negotiation.js';
import { nextPath } from './paging.js';
import type { UnderWay } from './under-way.js';
import { JSON_TYPE, verbatim } from './verbatim.js';

/** Bytes of JSON that a client takes, without the names of its rooms: its name may take four bytes a character. */
const CLIENT = 512;

/** What a page of clients can be had as. */
export const CLIENTS_TYPES = ['application/json', 'text/plain'] as const;

type ClientsType = (typeof CLIENTS_TYPES)[number];

/** Bytes of an answer for which nothing is reserved. */
const SMALL = 64 * 1024;

/**
 * Answers with a page of clients, in JSON or in lines. Each client may be in a hundred rooms, so the memory of a large page is
 * reserved before it is built.
 * @param list gives the page as it is at this moment
 */
export async function answerClients(
  underWay: UnderWay,
  request: FastifyRequest,
  reply: object,
  type: ClientsType,
  path: string,
  list: () => ClientPage,
): Promise<FastifyReply> {
  const answer = reply as FastifyReply;
  let page: ClientPage | undefined = list();
  const bytes = page.clients.reduce((sum, client) => sum + bytesOf(client), 0);
  if (bytes > SMALL) {
    const others = underWay.reservation(request, answer).reserve(bytes);
    if (others) {
      page = undefined;
      await others;
    }
  }
  page ??= list();
  const next = nextPath(path, { ...(request.query as Record<string, string>), after: page.next });
  if (next !== null) answer.header('link', `<${next}>; rel="next"`);
  varyByAccept(answer);
  if (type === 'text/plain') {
    return verbatim(answer, 'text/plain; charset=utf-8', page.clients.map(clientLine).join(''));
  }
  return verbatim(
    answer,
    JSON_TYPE,
    JSON.stringify({ clients: page.clients.map(clientJson), total: page.total, next }),
  );
}

function bytesOf({ rooms }: ClientInfo): number {
  let bytes = CLIENT;
  for (const room of rooms) bytes += room.length + 3;
  return bytes;
}
