import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import helmet from 'helmet';

/** By name, in lower case. */
export type SecurityHeaders = Readonly<Record<string, string>>;

/**
 * The headers that keep browsers from doing more with an answer than was meant. They are the same for all, so helmet says once
 * what they are.
 * @param crossOrigin whether pages of other origins may read answers
 */
export function securityHeaders({ crossOrigin }: { readonly crossOrigin: boolean }): SecurityHeaders {
  const headers: Record<string, string> = {};
  const recorder = {
    setHeader: (name: string, value: string) => (headers[name.toLowerCase()] = value),
    removeHeader: (name: string) => delete headers[name.toLowerCase()],
  };
  const apply = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'none'"],
        'frame-ancestors': ["'none'"],
        'base-uri': ["'none'"],
        'form-action': ["'none'"],
      },
    },
    // For whoever ends TLS in front of it to say: here nobody knows whether there is any.
    strictTransportSecurity: false,
    // What is left in place for browsers of old, or says something of documents alone, of which there are two: the page and the docs.
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xFrameOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
    crossOriginOpenerPolicy: false,
    crossOriginResourcePolicy: { policy: crossOrigin ? 'cross-origin' : 'same-origin' },
  });
  apply({} as never, recorder as unknown as ServerResponse, (error) => {
    if (error) throw error as Error;
  });
  return headers;
}

/** Puts them on every answer that is made by a route or a hook: to be called before the hooks that may refuse. */
export function registerSecurityHeaders(app: FastifyInstance, headers: SecurityHeaders): void {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(headers);
    done();
  });
}
