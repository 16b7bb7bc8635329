import type { AddressInfo } from 'node:net';
import { pino, type Logger } from 'pino';
import { type Config, jwtSettings, shareOfMemory } from '../config.js';
import type { Engine, EngineUnusable } from '../engine/engine.js';
import { openLmdbEngine } from '../engine/lmdb/index.js';
import { roomOf } from '../engine/lmdb/room.js';
import type { SharedSettings } from '../engine/nats/shared-settings.js';
import { buildApp } from '../http/app.js';
import type { App } from '../http/context.js';
import { packageVersion } from '../http/documentation.js';
import { Metrics } from '../http/metrics.js';
import type { UnderWay } from '../http/under-way.js';
import type { IdentityProvider } from '../hub/access/authenticator.js';
import type { Passwords } from '../hub/access/passwords.js';
import { Hub } from '../hub/hub.js';
import { AUDIT } from '../hub/topics.js';

/** A server that listens. */
export interface Server {
  /** The port it listens on. */
  readonly port: number;
  /**
   * Stops as a good neighbour: takes nobody new in, says goodbye to every stream, lets requests under way finish, then closes.
   * Resolves after {@link DRAIN_LIMIT} and {@link CLOSE_LIMIT} at the latest.
   * @throws EngineStalled when the engine does not close in time
   */
  stop(): Promise<void>;
  /** Resolves when it cannot serve any more, however long it runs: stop it. The message is one line. */
  readonly ended: Promise<EngineUnusable>;
}

/** A thread waits for a disk that does not answer. Nothing that was acknowledged is lost when the process ends now. */
export class EngineStalled extends Error {
  override readonly name = 'EngineStalled';

  constructor() {
    super(
      'The disk of the data folder does not answer: ended without waiting for it. All that was acknowledged is stored.',
    );
  }
}

/** Milliseconds that requests under way have to finish once the server stops. */
const DRAIN_LIMIT = 8_000;

/** Milliseconds that the engine has to close after that. */
const CLOSE_LIMIT = 1_500;

/** Connections that may wait to be accepted, as far as the kernel lets them (net.core.somaxconn): thousands come back at once after a crash. */
const BACKLOG = 4096;

const DAY = 24 * 60 * 60 * 1000;
const DEDUP_WINDOW = 10 * 60 * 1000;

/**
 * Puts the rooms of the house together by these settings, and listens.
 * @param passwords how they are kept, in tests that are not about that
 * @throws EngineUnusable, or the error of listen, such as EADDRINUSE; then nothing is left open
 */
export async function startServer(
  config: Config,
  logger: Logger = pino({ level: 'silent' }),
  passwords?: Passwords,
): Promise<Server> {
  const metrics = new Metrics();
  metrics.describe(await packageVersion(), config.engine === 'lmdb' ? 'lmdb' : 'nats');
  const onError = (error: unknown) => logger.error({ err: error }, 'something went wrong in the background');
  let onEnd!: (error: EngineUnusable) => void;
  const ended = new Promise<EngineUnusable>((resolve) => (onEnd = resolve));
  let isNew = false;
  const events = { onError, onEnd, onBegin: () => (isNew = true) };
  const { engine, secret } = await openEngine(config, logger, metrics, events);
  try {
    const { access, registration, streamMemory = shareOfMemory(), requestMemory = shareOfMemory() } = config;
    const identities = await openIdentities(config);
    const hub = await Hub.open(engine, {
      secret,
      grace: config.grace * 1000,
      onError,
      access,
      registration,
      identities,
      passwords,
    });
    const settings = { ...config, streamMemory, requestMemory };
    const { app, underWay } = await buildApp({ hub, settings, metrics, logger });
    try {
      const address = await app.listen({ host: config.host, port: config.port, backlog: BACKLOG });
      logger.info(`listening at ${address}`);
      // A folder that was not mounted looks like a new one: the operator can see it here.
      if (isNew) logger.info(`began a new log in ${config.data}`);
    } catch (error) {
      hub.close();
      await app.close();
      throw error;
    }
    const { port } = app.server.address() as AddressInfo;
    return { port, stop: () => stop(app, underWay, hub, engine), ended };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** What an engine reports while it opens and runs. */
interface EngineEvents {
  /** Something failed where no caller waits for an answer. */
  readonly onError: (error: unknown) => void;
  /** The engine cannot go on, however long the process runs. */
  readonly onEnd: (error: EngineUnusable) => void;
  /** The data folder was empty, and a new log has begun in it. */
  readonly onBegin: () => void;
}

/** Opens the engine, and finds out what to sign with. @throws EngineUnusable */
async function openEngine(
  config: Config,
  logger: Logger,
  metrics: Metrics,
  { onError, onEnd, onBegin }: EngineEvents,
): Promise<{ readonly engine: Engine; readonly secret: string | Buffer }> {
  const retention = {
    maxEntries: config.keepMessages,
    maxAge: config.keepDays * DAY,
    dedupWindow: DEDUP_WINDOW,
    forever: [AUDIT],
  };
  const observe = { appended: (seconds: number) => metrics.appended(seconds) };
  if (config.engine === 'lmdb') {
    const engine = await openLmdbEngine({
      folder: config.data,
      retention,
      acceptLoss: config.acceptLoss,
      onBegin,
      onError,
      observe,
    });
    try {
      metrics.observeStore(roomOf(config.data), () => engine.committingFor());
      return { engine, secret: config.secret ?? (await engine.secret()) };
    } catch (error) {
      await engine.close();
      throw error;
    }
  }
  // Most have no need of it, and it takes a fifth of the time that a start takes.
  const { openNatsEngine } = await import('../engine/nats/index.js');
  const engine = await openNatsEngine({
    address: config.engine,
    replicas: config.replicas,
    allowUnsafe: config.allowUnsafeNats,
    retention,
    settings: sharedSettings(config),
    secrets: { 'jwt-secret': config.jwtSecret },
    // What is stored of a message with a key holds its text twice; its other parts are small.
    leastPayload: 2 * config.maxBody + 65_536,
    secret: config.secret,
    acceptLoss: config.acceptLoss,
    warn: (warning) => logger.warn(warning),
    onEnd,
    onError,
    observe,
  });
  return { engine, secret: engine.secret };
}

/** Most trust no identity provider, and need not wait for what checks its tokens. */
async function openIdentities(config: Config): Promise<IdentityProvider | undefined> {
  const settings = jwtSettings(config);
  if (!settings) return undefined;
  const { JwtVerifier } = await import('../identity/jwt.js');
  return new JwtVerifier(settings);
}

/**
 * What must be the same on all nodes, or what one of them promises another would not keep. Not in it: where a node listens and
 * who stands before it (host, port, trust-proxy), what its machine can hold (stream-memory, request-memory), and what a client
 * is told by the node that it has (heartbeat, request-timeout, cors-origins).
 */
function sharedSettings(config: Config): SharedSettings {
  const { grace, maxBody, slowLimit, keepMessages, keepDays, rateLimit, access, registration } = config;
  return {
    access,
    registration,
    grace,
    'max-body': maxBody,
    'slow-limit': slowLimit,
    'keep-messages': keepMessages,
    'keep-days': keepDays,
    'rate-limit': rateLimit,
    ...sharedJwtSettings(config),
  };
}

/** How the tokens of an identity provider are checked; nothing where none is accepted. */
function sharedJwtSettings(config: Config): SharedSettings {
  const jwt = jwtSettings(config);
  if (!jwt) return {};
  return {
    ...(jwt.jwks !== undefined && { 'jwt-jwks': String(jwt.jwks) }),
    'jwt-issuer': jwt.issuer,
    'jwt-audience': jwt.audience,
    'jwt-algorithms': [...jwt.algorithms].sort().join(','),
    'jwt-skew': jwt.skew,
    'jwt-name-claim': jwt.nameClaim,
    'jwt-permissions-claim': jwt.permissionsClaim,
  };
}

async function stop(app: App, underWay: UnderWay, hub: Hub, engine: Engine): Promise<void> {
  const limit = performance.now() + DRAIN_LIMIT;
  hub.drain();
  // It still listens, so that whoever asks is told that it is not ready, until the last request is answered.
  await underWay.idle(DRAIN_LIMIT);
  const closed = app.close();
  // Whoever came in between is answered too.
  await underWay.idle(Math.max(limit - performance.now(), 0));
  app.server.closeAllConnections();
  await closed;
  hub.close();
  await inTime(engine.close(), CLOSE_LIMIT);
}

/** @throws EngineStalled when it is not done within this many milliseconds */
async function inTime(work: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new EngineStalled()), milliseconds);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
