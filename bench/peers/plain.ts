// The least that does it in Node: `res.write` for each stream and event.
import { createServer, type ServerResponse } from 'node:http';

const all = new Set<ServerResponse>();
const byId = new Map<string, ServerResponse>();

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const id = url.searchParams.get('id') ?? '';
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(':\n\n');
    all.add(response);
    byId.set(id, response);
    response.once('close', () => {
      all.delete(response);
      byId.delete(id);
    });
    return;
  }
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (piece: string) => (text += piece));
  request.on('end', () => {
    const event = `data: ${text}\n\n`;
    if (id === 'all') for (const stream of all) stream.write(event);
    else byId.get(id)?.write(event);
    response.writeHead(201, { 'content-length': 0 }).end();
  });
});
server.listen(Number(process.env['PORT']), '127.0.0.1', () => console.log('listening'));
