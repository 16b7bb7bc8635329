import accepts from '@fastify/accepts';
import cors from '@fastify/cors';
import rateLimit from '@fastify/rate-limit';
import { fastify, type FastifyBaseLogger, LogController } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Hub } from '../hub/hub.js';
import { Heartbeat } from '../stream/heartbeat.js';
import { registerBodies } from './bodies.js';
import { isLoopback, registerBrowserSafety } from './browser-safety.js';
import { answerClientError } from './client-error.js';
import type { App, Context, HttpSettings } from './context.js';
import { registerTimeouts } from './timeouts.js';
import { registerDocs, registerOpenApi } from './documentation.js';
import { collectMethods, completeMethods, methodNotAllowed } from './methods.js';
import type { Metrics } from './metrics.js';
import { HttpProblem, notFound, pathOf, sendProblem, toHttpProblem } from './problem.js';
import { addRoutes } from './routes/index.js';
import { registerSecurityHeaders } from './security-headers.js';
import type { UnderWay } from './under-way.js';
import { validatorCompiler } from './validation.js';

export interface AppOptions {
  readonly hub: Hub;
  readonly settings: HttpSettings;
  readonly metrics: Metrics;
  readonly underWay: UnderWay;
  readonly logger?: FastifyBaseLogger;
}

/** What the app is: everything that HTTP has to do with it, ready to listen. */
export async function buildApp({ hub, settings, metrics, underWay, logger }: AppOptions): Promise<App> {
  const app: App = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: settings.maxBody,
    // Refused by registerBrowserSafety instead, with a problem like everything else.
    http: { requireHostHeader: false },
    trustProxy: settings.trustProxy.length > 0 ? [...settings.trustProxy] : false,
    routerOptions: { maxParamLength: 256 },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      void sendProblem(request, reply, toHttpProblem(error, settings.maxBody));
    },
  }).withTypeProvider<ZodTypeProvider>();
  underWay.register(app);
  registerTimeouts(app);
  const context: Context = { hub, metrics, settings, heartbeat: new Heartbeat(settings.heartbeat) };
  app.addHook('onClose', () => context.heartbeat.stop());
  metrics.observe(hub);

  app.setValidatorCompiler(validatorCompiler);
  // Answers are made by this code alone and checked against their schemas in its tests, not again for each request.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  registerErrors(app, settings);
  // Hooks that have nothing to wait for call back instead of returning promises: each promise is a turn of the microtasks.
  app.addHook('onResponse', (request, reply, done) => {
    metrics.answered(request.method, request.routeOptions.url ?? 'none', reply.statusCode);
    request.log.debug(
      { method: request.method, path: pathOf(request.raw.url), status: reply.statusCode, ms: reply.elapsedTime },
      'answered',
    );
    done();
  });

  await registerSafety(app, settings);
  registerBodies(app);
  await app.register(accepts);
  await registerOpenApi(app);

  const methods = collectMethods(app);
  addRoutes(app, context);
  await registerDocs(app);
  completeMethods(app, methods);
  return app;
}

function registerErrors(app: App, { maxBody }: HttpSettings): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = toHttpProblem(error, maxBody);
    if (problem.status >= 500) request.log.error({ err: error, path: pathOf(request.raw.url) }, problem.message);
    return sendProblem(request, reply, problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const problem = app.supportedMethods.includes(request.method)
      ? notFound()
      : methodNotAllowed(request.method, 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
    return sendProblem(request, reply, problem);
  });
}

async function registerSafety(app: App, { corsOrigins, rateLimit: perSecond }: HttpSettings): Promise<void> {
  registerBrowserSafety(app, corsOrigins);
  if (perSecond > 0) {
    await app.register(rateLimit, {
      max: perSecond,
      timeWindow: 1000,
      allowList: (request) => isLoopback(request.ip),
      errorResponseBuilder: () =>
        new HttpProblem(
          'too-many-requests',
          `More than ${perSecond} requests in a second from this address. Wait a second.`,
        ),
    });
  }
  if (corsOrigins.length > 0) {
    await app.register(cors, {
      origin: [...corsOrigins],
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      exposedHeaders: ['Location', 'Link', 'Retry-After', 'Idempotency-Replayed'],
      maxAge: 600,
      // What a path takes is told by its own answer to OPTIONS, to a preflight and to whoever else asks.
      preflightContinue: true,
      strictPreflight: false,
    });
  }
  registerSecurityHeaders(app, { crossOrigin: corsOrigins.length > 0 });
}
