import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import type { Access } from '../hub/access/authenticator.js';
import type { Hub } from '../hub/hub.js';
import type { EventStreamOptions } from '../stream/event-stream.js';
import type { Format } from '../stream/format.js';
import type { Metrics } from './metrics.js';
import type { RequestMemory } from './request-memory.js';
import type { UnderWay } from './under-way.js';

/** The settings that concern HTTP; see src/config.ts for their meaning. */
export interface HttpSettings {
  readonly heartbeat: number;
  readonly maxBody: number;
  readonly slowLimit: number;
  readonly streamMemory: number;
  readonly requestMemory: number;
  readonly requestTimeout: number;
  readonly rateLimit: number;
  readonly trustProxy: readonly string[];
  readonly corsOrigins: readonly string[];
  readonly access: Access;
  readonly registration: 'open' | 'closed';
}

/** What of the hub routes can reach: to do anything they have to have somebody admitted. */
export type HttpHub = Pick<
  Hub,
  'admit' | 'admitStream' | 'admitToSignIn' | 'credentials' | 'disconnected' | 'draining' | 'health'
>;

/** What routes work with. */
export interface Context {
  readonly hub: HttpHub;
  readonly metrics: Metrics;
  readonly underWay: UnderWay;
  readonly requestMemory: RequestMemory;
  /** What streams have in common, by the name of their format. */
  readonly streamOptions: Readonly<Record<Format['name'], EventStreamOptions>>;
  readonly settings: HttpSettings;
  readonly logger: Logger;
}

/** The app as routes see it: what their schemas validate, their handlers get typed. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;
