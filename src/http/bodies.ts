import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HttpProblem, unsupportedMediaType } from './problem.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route takes a plain text where it takes JSON: it stands for `{"text": TEXT}`. */
    textBody?: boolean;
    /** The route takes lines of JSON, and reads them itself, as they come in. */
    linesBody?: boolean;
  }
}

/** What `curl -d` sends unasked is taken as a text like any other. */
export const TEXT_TYPES = ['text/plain', 'application/x-www-form-urlencoded'];

const UTF8 = /^(?:utf-?8|us-ascii)$/i;
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]*)"?/i;

/** A body that was not JSON but a text, as if it had been `{"text": TEXT}`. */
export class TextBody {
  constructor(readonly text: string) {}
}

export const NDJSON_TYPE = 'application/x-ndjson';

/** Teaches the app what bodies it takes: JSON, and texts where a route says so; in UTF-8 alone. */
export function registerBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) =>
    parseJson(decode(request, body)),
  );
  app.addContentTypeParser(TEXT_TYPES, { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => {
    if (!request.routeOptions.config.textBody) {
      // curl says so even of the empty body of `-X POST -d ''`.
      if (body.length === 0) return undefined;
      throw unsupportedMediaType(mediaType(request));
    }
    return new TextBody(decode(request, body));
  });
  app.addContentTypeParser(NDJSON_TYPE, async (request: FastifyRequest) => {
    if (!request.routeOptions.config.linesBody) throw unsupportedMediaType(NDJSON_TYPE, accepted(request));
    assertUtf8(request);
    return LINES;
  });
  app.addContentTypeParser('*', async (request: FastifyRequest) => {
    throw unsupportedMediaType(mediaType(request), accepted(request));
  });
  app.addHook('onRequest', (request, _reply, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      throw unsupportedMediaType('a body that is compressed', 'it as it is');
    }
    done();
  });
}

/** Stands for a body that is read by the route. */
export const LINES = Symbol('lines');

function assertUtf8(request: FastifyRequest): void {
  const charset = CHARSET.exec(request.headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && !UTF8.test(charset)) {
    throw unsupportedMediaType('this charset', accepted(request));
  }
}

function decode(request: FastifyRequest, body: Buffer): string {
  assertUtf8(request);
  if (!isUtf8(body)) {
    throw new HttpProblem('invalid-request', 'The body is not valid UTF-8. Send it in UTF-8.');
  }
  return body.toString('utf8');
}

export function parseJson(text: string, what = 'body'): unknown {
  try {
    // RFC 8259, section 8.1: a byte order mark may be ignored.
    return JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text) as unknown;
  } catch (error) {
    const reason = text.trim() === '' ? 'it is empty' : reasonOf(error as SyntaxError);
    throw new HttpProblem('invalid-request', `The ${what} is not valid JSON: ${reason}`);
  }
}

/** What the parser says is wrong, without the piece of the text that it quotes: a password may stand there. */
function reasonOf({ message }: SyntaxError): string {
  return message.startsWith('Unexpected token') ? message.replace(/, .*$/s, '') : message;
}

function mediaType(request: FastifyRequest): string {
  const type = request.headers['content-type']?.split(';')[0]?.trim();
  return type === undefined || type === '' ? 'a body without a Content-Type' : type.slice(0, 100);
}

function accepted(request: FastifyRequest): string {
  const { textBody, linesBody } = request.routeOptions.config;
  const types = ['application/json', ...(textBody ? ['text/plain'] : []), ...(linesBody ? [NDJSON_TYPE] : [])];
  return types.join(' or ');
}
