import { Agent, type IncomingHttpHeaders, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; asked for where it is known to be some. */
  readonly json: Record<string, unknown>;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  /** Sent as the body, as JSON. */
  readonly json?: unknown;
  readonly token?: string;
  /** Keeps connections, for those who ask thousands of times. */
  readonly agent?: Agent;
}

/** One request with node:http, which sends headers and paths as they are given, odd ones too. */
export function ask(
  url: string,
  { method, headers = {}, body, json, token, agent = fresh }: Asked = {},
): Promise<Answer> {
  const payload = json === undefined ? body : JSON.stringify(json);
  const all: Record<string, string> = { ...headers };
  if (json !== undefined) all['content-type'] ??= 'application/json';
  if (token !== undefined) all['authorization'] = `Bearer ${token}`;
  if (payload !== undefined) all['content-length'] = String(Buffer.byteLength(payload));
  const { protocol, host } = new URL(url);
  const path = url.slice(`${protocol}//${host}`.length) || '/';
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      { method: method ?? (payload === undefined ? 'GET' : 'POST'), path, headers: all, agent },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            get json() {
              return JSON.parse(text) as Record<string, unknown>;
            },
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(payload);
  });
}

const fresh = new Agent({ keepAlive: false });
