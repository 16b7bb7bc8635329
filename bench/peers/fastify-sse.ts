// Fastify with @fastify/sse, as its documentation shows.
import { fastifySSE } from '@fastify/sse';
import { fastify, type FastifyReply } from 'fastify';

const app = fastify();
const all = new Set<FastifyReply>();
const byId = new Map<string, FastifyReply>();

await app.register(fastifySSE);
app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => done(null, body));

app.get<{ Querystring: { id: string } }>('/events', { sse: true }, async (request, reply) => {
  const { id } = request.query;
  reply.sse.keepAlive();
  all.add(reply);
  byId.set(id, reply);
  reply.sse.onClose(() => {
    all.delete(reply);
    byId.delete(id);
  });
  await reply.sse.send({ data: 'welcome' });
});

app.post<{ Querystring: { id: string }; Body: string }>('/events', async (request, reply) => {
  const event = { data: request.body };
  const { id } = request.query;
  if (id === 'all') await Promise.all([...all].map((stream) => stream.sse.send(event)));
  else await byId.get(id)?.sse.send(event);
  return reply.code(201).send();
});

await app.listen({ port: Number(process.env['PORT']), host: '127.0.0.1' });
console.log('listening');
