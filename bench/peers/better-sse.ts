// Fastify with better-sse, as its documentation shows: a channel for all, a session for each stream.
import { createChannel, createSession, type Session } from 'better-sse';
import { fastify } from 'fastify';

const app = fastify();
const channel = createChannel();
const sessions = new Map<string, Session>();

app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => done(null, body));

app.get<{ Querystring: { id: string } }>('/events', async (request, reply) => {
  reply.hijack();
  const session = await createSession(request.raw, reply.raw);
  channel.register(session);
  sessions.set(request.query.id, session);
  session.once('disconnected', () => sessions.delete(request.query.id));
});

app.post<{ Querystring: { id: string }; Body: string }>('/events', async (request, reply) => {
  if (request.query.id === 'all') channel.broadcast(request.body, 'message');
  else sessions.get(request.query.id)?.push(request.body, 'message');
  return reply.code(201).send();
});

await app.listen({ port: Number(process.env['PORT']), host: '127.0.0.1' });
console.log('listening');
