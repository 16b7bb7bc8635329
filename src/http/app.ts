import accepts from '@fastify/accepts';
import cors from '@fastify/cors';
import rateLimit from '@fastify/rate-limit';
import { fastify } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import type { Hub } from '../hub/hub.js';
import { Backlog } from '../stream/backlog.js';
import { ndjson, sse } from '../stream/format.js';
import { Heartbeat } from '../stream/heartbeat.js';
import { Waves } from '../stream/waves.js';
import { AnswerMemory } from './answer-memory.js';
import { registerMembersOnly } from './admission.js';
import { registerBodies } from './bodies.js';
import { isLoopback, registerBrowserSafety } from './browser-safety.js';
import { clientErrorHandler, registerClientErrors } from './client-error.js';
import { Connections, mostOpenFiles } from './connections.js';
import type { App, Context, HttpSettings } from './context.js';
import { registerFraming } from './framing.js';
import { LOOK_EVERY, registerTimeouts } from './timeouts.js';
import { registerDocs, registerOpenApi } from './documentation.js';
import { collectMethods, completeMethods, methodNotAllowed, METHODS } from './methods.js';
import type { Metrics } from './metrics.js';
import { registerPage } from './page.js';
import { HttpProblem, isToBeLogged, notFound, pathOf, sendProblem, toHttpProblem } from './problem.js';
import { addRoutes } from './routes/index.js';
import { registerSecurityHeaders, securityHeaders } from './security-headers.js';
import { RequestMemory } from './request-memory.js';
import { UnderWay } from './under-way.js';
import { validatorCompiler } from './validation.js';

export interface AppOptions {
  readonly hub: Hub;
  readonly settings: HttpSettings;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** What the app is: everything that HTTP has to do with it, ready to listen; and what is under way in it. */
export async function buildApp({
  hub,
  settings,
  metrics,
  logger,
}: AppOptions): Promise<{ readonly app: App; readonly underWay: UnderWay }> {
  const security = securityHeaders({ crossOrigin: settings.corsOrigins.length > 0 });
  // No logger is given to fastify: it would make a child of it for each request, and listen to each response, which together
  // cost a sixth of a SEND. What there is to be told of requests is told here.
  const app: App = fastify({
    bodyLimit: settings.maxBody,
    // Refused by registerBrowserSafety instead, with a problem like everything else.
    http: { requireHostHeader: false, connectionsCheckingInterval: LOOK_EVERY },
    trustProxy: settings.trustProxy.length > 0 ? [...settings.trustProxy] : false,
    routerOptions: { maxParamLength: 256 },
    clientErrorHandler: clientErrorHandler(security),
    frameworkErrors: (error, request, reply) => {
      void sendProblem(request, reply.headers(security), toHttpProblem(error, settings.maxBody));
    },
  }).withTypeProvider<ZodTypeProvider>();
  // Who asks and then ends its half of the connection, as tools do at the end of their input, still wants the answer.
  Object.assign(app.server, { httpAllowHalfOpen: true });
  const patience = settings.requestTimeout * 1000;
  const connections = Connections.of(await mostOpenFiles());
  connections.count(app.server);
  const requestMemory = new RequestMemory(settings.requestMemory);
  const underWay = new UnderWay({
    memory: requestMemory,
    answers: new AnswerMemory(requestMemory, settings.maxBody),
    maxBody: settings.maxBody,
    patience,
    connections,
    onOverload: (why) => logger.warn({ why }, 'requests are refused'),
  });
  const tellsAnswers = logger.isLevelEnabled('debug');
  registerSecurityHeaders(app, security);
  registerClientErrors(app);
  registerTimeouts(app, patience);
  underWay.register(app, ({ method, route, response, milliseconds: ms }) => {
    if (!response.headersSent) return;
    const { statusCode: status, req } = response;
    metrics.answered(method, route ?? 'none', status);
    if (tellsAnswers) logger.debug({ method, path: pathOf(req.url), status, ms }, 'answered');
  });
  registerFraming(app, underWay);
  const heartbeat = new Heartbeat(settings.heartbeat);
  const backlog = new Backlog(settings.streamMemory);
  const common = {
    slowLimit: settings.slowLimit,
    backlog,
    heartbeat,
    waves: new Waves(),
    observer: metrics,
    onBroken: (error: unknown, client: number) => logger.error({ err: error, client }, 'stream broken off'),
  };
  const context: Context = {
    hub,
    metrics,
    underWay,
    requestMemory,
    settings,
    logger,
    streamOptions: { sse: { ...common, format: sse }, ndjson: { ...common, format: ndjson } },
  };
  app.addHook('onClose', () => heartbeat.stop());
  metrics.observe(hub);
  metrics.observeMemory({ requests: requestMemory, streams: backlog });

  app.setValidatorCompiler(validatorCompiler);
  // Answers are made by this code alone and checked against their schemas in its tests, not again for each request.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  registerErrors(app, settings, logger);

  await registerSafety(app, settings);
  registerBodies(app);
  await app.register(accepts);
  await registerOpenApi(app);

  app.decorateRequest('acting', undefined);
  if (settings.access === 'members') registerMembersOnly(app, hub);

  const methods = collectMethods(app);
  addRoutes(app, context);
  await registerDocs(app);
  await registerPage(app);
  completeMethods(app, methods);
  return { app, underWay };
}

function registerErrors(app: App, { maxBody }: HttpSettings, logger: Logger): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = toHttpProblem(error, maxBody);
    if (isToBeLogged(error, problem)) logger.error({ err: error, path: pathOf(request.raw.url) }, problem.message);
    return sendProblem(request, reply, problem);
  });
  app.setNotFoundHandler((request, reply) => {
    const problem = METHODS.some((method) => method === request.method)
      ? notFound()
      : methodNotAllowed(request.method, METHODS.join(', '));
    return sendProblem(request, reply, problem);
  });
}

async function registerSafety(app: App, { corsOrigins, rateLimit: perSecond }: HttpSettings): Promise<void> {
  registerBrowserSafety(app, corsOrigins);
  if (perSecond > 0) {
    await app.register(rateLimit, {
      global: false,
      max: perSecond,
      timeWindow: 1000,
      errorResponseBuilder: () =>
        new HttpProblem(
          'too-many-requests',
          `More than ${perSecond} requests in a second from this address. Wait a second.`,
        ),
    });
    const limit = app.rateLimit();
    app.addHook('onRequest', (request, reply, done) => {
      // Whoever is on this machine is not limited, nor made to wait for the finding.
      if (isLoopback(request.ip)) done();
      else void limit.call(app, request, reply).then(() => done(), done);
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
}
