import type { FastifyInstance, HTTPMethods } from 'fastify';
import { HttpProblem } from './problem.js';

/** Those that any path of the server takes. */
export const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/**
 * Answers 405 with Allow, and OPTIONS, wherever there is a route but not for the method (RFC 9110, section 15.5.6). To be
 * called before the routes are added; the rest is done when {@link completeMethods} is called after them.
 */
export function collectMethods(app: FastifyInstance): Map<string, Set<string>> {
  const methods = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? new Set();
    for (const one of [method].flat()) known.add(one);
    methods.set(url, known);
  });
  return methods;
}

export function completeMethods(app: FastifyInstance, methods: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const [url, known] of [...methods]) {
    // A plugin answers for what it adds itself.
    if (url.startsWith('/docs')) continue;
    const allow = METHODS.filter((method) => known.has(method) || method === 'OPTIONS').join(', ');
    const others = METHODS.filter((method) => !known.has(method) && method !== 'OPTIONS');
    if (others.length > 0) {
      app.route({
        method: others,
        url,
        schema: { hide: true },
        // Before the body is looked at: whatever it is, it is not for this.
        onRequest: async (request) => {
          throw methodNotAllowed(request.method, allow);
        },
        handler: () => undefined,
      });
    }
    if (!known.has('OPTIONS')) {
      app.route({
        method: 'OPTIONS',
        url,
        schema: { hide: true },
        handler: (_request, reply) => reply.code(204).header('allow', allow).send(),
      });
    }
  }
}

export function methodNotAllowed(method: string, allow: string): HttpProblem {
  return new HttpProblem('method-not-allowed', `${method} is not for this path. It takes ${allow}.`, {
    headers: { allow },
  });
}
