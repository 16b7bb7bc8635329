import { pino } from 'pino';
import { type Config, ConfigError, configHelp, readConfig } from '../config.js';
import { EngineUnusable } from '../engine/engine.js';
import { isLoopback } from '../http/browser-safety.js';
import { EngineStalled, type Server, startServer } from './server.js';

/**
 * `interchat serve`: runs until it is told to stop.
 * @returns the exit code: 0 after SIGTERM or SIGINT, 1 if it could not start or go on, 2 for a wrong setting. Where the disk does
 * not answer within the time to stop, the process kills itself.
 */
export async function serve(args: string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${configHelp()}\n`);
    return 0;
  }
  let config: Config;
  try {
    config = readConfig(args, process.env);
  } catch (error) {
    if (error instanceof ConfigError) return refuse(error.message, 2);
    throw error;
  }
  // What a person is to see goes to stdout; the log, a JSON object a line, to stderr.
  const logger = pino({ level: config.logLevel, base: undefined }, pino.destination({ fd: 2, sync: true }));
  let server: Server;
  try {
    server = await startServer(config, logger);
  } catch (error) {
    const message = explain(error, config);
    if (message === undefined) throw error;
    return refuse(message, 1);
  }
  // Before it says that it listens: whoever reads that may stop it at once.
  const stopped = signalled();
  process.stdout.write(`Server started listening on port ${server.port}\n${openDoor(config)}`);
  const end = await Promise.race([stopped, server.ended]);
  try {
    await server.stop();
  } catch (error) {
    if (!(error instanceof EngineStalled)) throw error;
    refuse(error.message, 1);
    // An exit would wait for the thread that waits for the disk.
    process.kill(process.pid, 'SIGKILL');
  }
  return end ? refuse(end.message, 1) : 0;
}

/** Says plainly who may come, where others than this machine can reach a server that is open; else nothing. */
function openDoor({ access, host }: Config): string {
  if (access !== 'open' || host === 'localhost' || isLoopback(host)) return '';
  return `Anyone who can reach ${host} may connect. To let in only who has an account or a key: --access members (INTERCHAT_ACCESS=members).\n`;
}

function refuse(message: string, code: number): number {
  process.stderr.write(`interchat: ${message}\n`);
  return code;
}

/** What a failed start says, in one line; undefined for what nobody foresaw. */
function explain(error: unknown, { host, port, data }: Config): string | undefined {
  if (error instanceof EngineUnusable) return error.message;
  const { code } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is in use. Stop what uses it, or choose another: --port or INTERCHAT_PORT.`;
    case 'EACCES':
      return `This user may not listen on port ${port} of ${host}. Choose a port above 1023: --port or INTERCHAT_PORT.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${host} is no address of this machine. Choose one that is: --host or INTERCHAT_HOST.`;
    case 'ENOSPC':
      return `No space is left for ${data}. Free some, or choose another folder: --data or INTERCHAT_DATA.`;
    default:
      return undefined;
  }
}

/** Resolves at the first SIGTERM or SIGINT. A second one ends the process at once, as it would have without this. */
function signalled(): Promise<undefined> {
  return new Promise((resolve) => {
    const stop = () => {
      process.off('SIGTERM', stop).off('SIGINT', stop);
      resolve(undefined);
    };
    process.on('SIGTERM', stop).on('SIGINT', stop);
  });
}
