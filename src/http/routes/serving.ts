import { z } from 'zod';
import { admit } from '../admission.js';
import type { App, Context } from '../context.js';
import { problems } from '../documentation.js';
import { HttpProblem } from '../problem.js';
import { NoQuery } from '../schemas.js';

const Ok = z.object({ status: z.literal('ok') });

/** `GET /healthz`, `/readyz` and `/metrics`: for whoever runs the server. */
export function serving(app: App, { hub, metrics }: Context): void {
  app.get(
    '/healthz',
    {
      schema: {
        operationId: 'health',
        tags: ['Serving'],
        summary: 'Whether the process lives',
        querystring: NoQuery,
        response: { 200: { description: 'It does.', content: { 'application/json': { schema: Ok } } } },
      },
    },
    async (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      schema: {
        operationId: 'readiness',
        tags: ['Serving'],
        summary: 'Whether messages can be taken and delivered',
        querystring: NoQuery,
        response: {
          200: { description: 'They can.', content: { 'application/json': { schema: Ok } } },
          ...problems({ 503: 'They cannot: it is starting or stopping, or its engine does not work.' }),
        },
      },
    },
    async (_request, reply) => {
      const trouble = hub.health();
      if (trouble !== null) throw new HttpProblem('unavailable', `Not ready: ${trouble}.`);
      return reply.header('cache-control', 'no-store').send({ status: 'ok' });
    },
  );

  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'metrics',
        tags: ['Serving'],
        summary: 'Figures for Prometheus',
        querystring: NoQuery,
        response: {
          200: {
            description: 'In the text format of Prometheus.',
            content: { 'text/plain': { schema: z.string().meta({ examples: ['interchat_streams 2\n'] }) } },
          },
        },
      },
    },
    async (request, reply) => {
      (await admit(hub, request, reply)).measure();
      return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
    },
  );
}
