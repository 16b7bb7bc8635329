import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Stream } from '../client/stream.js';
import { type Candidate, freePort, type Kind, type Reader, type Server, ServerProcess } from './server.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const ROOM = 'bench';
export const PATH_TO_ALL = `/rooms/${ROOM}/messages`;

/** As users run it: every message is on the disk before it is acknowledged. */
export const interchat: Candidate = {
  name: 'InterChat',
  missing: () => null,
  async start(folder) {
    const { port, child } = await serve(folder);
    return {
      port,
      pathToAll: PATH_TO_ALL,
      open: (_n, kind, onEnd) => open(port, kind, onEnd),
      usage: () => child.usage(),
      stop: () => child.stop(),
    } satisfies Server;
  },
};

/** Starts an InterChat. @param flags besides its port and its data folder */
export async function serve(
  folder: string,
  ...flags: readonly string[]
): Promise<{ readonly port: number; readonly child: ServerProcess }> {
  const port = await freePort();
  // A profile of it is had with BENCH_NODE_ARGS=--cpu-prof, say.
  const nodeArgs = (process.env['BENCH_NODE_ARGS'] ?? '').split(' ').filter((arg) => arg !== '');
  const child = await ServerProcess.start(
    ['node', ...nodeArgs, MAIN, 'serve', '--port', String(port), '--data', join(folder, 'data'), ...flags],
    { port, ready: /listening/ },
  );
  return { port, child };
}

export async function open(port: number, kind: Kind, onEnd: (error: Error) => void): Promise<Reader> {
  let index: string | undefined;
  const path = kind === 'shared' ? `/events?rooms=${ROOM}` : '/events';
  const stream = await openWelcomed(port, path, {}, onEnd, (text) => (index = /"index":(\d+)/.exec(text)?.[1]));
  return { stream, path: `/clients/${index}/messages` };
}

/** Opens a stream; resolves when its welcome is there. @param onWelcome given its text */
export async function openWelcomed(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>,
  onEnd: (error: Error) => void,
  onWelcome: (text: string) => void,
): Promise<Stream> {
  let welcomed: () => void = () => undefined;
  const welcome = new Promise<void>((resolve) => (welcomed = resolve));
  let text = '';
  const onText = (piece: string) => {
    text += piece;
    if (!/event: welcome\n(?:.+\n)+\n/.test(text)) return true;
    onWelcome(text);
    welcomed();
    return false;
  };
  const stream = await Stream.open({ port, path, headers, onText }, onEnd);
  await welcome;
  return stream;
}
