import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface ScriptedServer {
  readonly url: string;
  readonly requests: IncomingMessage[];
}

/** A server that does what no InterChat server should: answers each request by the next of these, the last one again. */
export async function scriptedServer(t: Test, ...answers: [Answer, ...Answer[]]): Promise<ScriptedServer> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    const answer = answers[Math.min(requests.length, answers.length) - 1];
    answer?.(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** Opens a stream with these events, and leaves it open. */
export function stream(...events: string[]): Answer {
  return (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(events.join(''));
  };
}

export function streamThenCut(...events: string[]): Answer {
  return (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(events.join(''), () => response.destroy());
  };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    const type = status < 400 ? 'application/json' : 'application/problem+json';
    response.writeHead(status, { 'content-type': type, ...headers }).end(JSON.stringify(body));
  };
}

export function refusal(status: number, code: string, headers: Record<string, string> = {}): Answer {
  return json(status, { status, code, title: code, detail: `this is ${code}` }, headers);
}

const CLIENT = { index: 1, name: null, status: 'online', socket: 3, streams: 1, rooms: [] };

/** The events that open a stream of client 1. */
export function welcome({
  heartbeat = 15,
  resumed = false,
  retry = 0,
  token = 'ict_1',
  name = null,
}: {
  heartbeat?: number;
  resumed?: boolean;
  retry?: number;
  token?: string | null;
  name?: string | null;
} = {}): string {
  const data = { client: { ...CLIENT, name }, token, cursor: '0.1', resumed, heartbeat };
  return `retry: ${retry}\nevent: welcome\nid: 0.1\ndata: ${JSON.stringify(data)}\n\n`;
}

export function message(id: number, text = `message ${id}`): string {
  const data = { id: String(id), from: null, to: { client: 1 }, text, sentAt: '2026-01-31T12:00:00.000Z' };
  return `data: ${JSON.stringify(data)}\nid: ${id}.1\n\n`;
}

export function event(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
