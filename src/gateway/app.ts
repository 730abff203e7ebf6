import { randomBytes } from 'node:crypto';
import { Hono } from 'hono';
import { anthropicError } from './api/anthropic/error.ts';
import { ollamaError } from './api/ollama/error.ts';
import { openaiError } from './api/openai/error.ts';
import { addCompletionRoutes, routeOf } from './completion-routes.ts';
import type { GatewayInit } from './components.ts';
import { addEmbeddingRoutes, embeddingRouteOf } from './embedding-routes.ts';
import { createGuard } from './guard.ts';
import { addModelRoutes, isAnthropic } from './model-routes.ts';
import { addPageRoutes } from './page/routes.ts';
import { Problem, problemOf } from './problem.ts';
import { type AppComponents, type Bindings, type RequestContext, unreadiness } from './request-context.ts';

/** Counted for a client that disconnected before the end of the response; nginx logs the same status. */
const clientClosedRequest = 499;

/** Every route of the gateway. `port` is called once the server listens. */
export function createApp(components: AppComponents, init: GatewayInit, port: () => number): Hono<Bindings> {
  const { metrics } = components;
  const app = new Hono<Bindings>();
  const guard = createGuard(components.clock, init, port);
  app.use(async (c, next) => {
    const { outgoing } = c.env;
    c.set('id', randomBytes(12).toString('hex'));
    // OpenAI's clients read the first, Anthropic's the second.
    for (const name of ['x-request-id', 'request-id']) outgoing.setHeader(name, `req_${c.get('id')}`);
    outgoing.once('close', () =>
      metrics.answered(
        routeOf(c.req.path) ?? embeddingRouteOf(c.req.path) ?? 'other',
        outgoing.writableFinished ? outgoing.statusCode : clientClosedRequest,
      ),
    );
    const early = guard(c);
    if (early !== null) return early;
    await next();
  });
  addCompletionRoutes(app, components, init);
  addEmbeddingRoutes(app, components, init);
  addModelRoutes(app, components, init.version);
  app.get('/health', (c) => {
    const reason = unreadiness(components);
    return reason === null ? c.json({ status: 'ok' }) : c.json({ status: 'not ready', reason }, 503);
  });
  app.get('/metrics', async (c) => c.body(await metrics.render(), 200, { 'content-type': metrics.contentType }));
  addPageRoutes(app, components, init);
  app.notFound((c) =>
    failure(c, new Problem(404, 'E_NOT_FOUND', `no route for ${c.req.method} ${c.req.path.slice(0, 200)}`)),
  );
  app.onError((error, c) => {
    const problem = problemOf(error);
    if (problem.status >= 500 && problem.code === 'E_BUG')
      components.logger.error('a request failed', { path: c.req.path.slice(0, 200), reason: error.message });
    return failure(c, problem);
  });
  return app;
}

/** An error response in the format of the API that was called. */
function failure(c: RequestContext, problem: Problem): Response {
  const { path } = c.req;
  const body = path.startsWith('/api/')
    ? ollamaError(problem)
    : path.startsWith('/v1/messages') || (path.startsWith('/v1/models') && isAnthropic(c))
      ? anthropicError(problem)
      : openaiError(problem);
  // The unread rest of a body would be parsed as the next request.
  const { complete, headers } = c.env.incoming;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (hasBody && !complete) c.env.outgoing.setHeader('connection', 'close');
  return new Response(JSON.stringify(body), {
    status: problem.status,
    headers: { 'content-type': 'application/json', ...problem.headers },
  });
}
