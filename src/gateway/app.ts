import { randomBytes } from 'node:crypto';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { CompletionHandler } from './answer/completion-handler.ts';
import type { InferenceRequest } from './answer/inference-client.ts';
import type { ResponseEncoder } from './answer/response-encoder.ts';
import { anthropicError, anthropicMessages } from './api/anthropic.ts';
import type { CompletionRequest, RequestDefaults } from './api/completion-request.ts';
import { parseJson } from './api/json.ts';
import { isNamed, offeredModels } from './api/models.ts';
import { ollamaChat, ollamaError, ollamaGenerate } from './api/ollama.ts';
import { openaiChat } from './api/openai/chat.ts';
import { openaiCompletions } from './api/openai/completions.ts';
import { openaiError } from './api/openai/error.ts';
import { openaiResponses } from './api/openai/responses.ts';
import type { GatewayInit } from './components.ts';
import { readBody } from './guard/body.ts';
import type { ApiKey } from './guard/keys.ts';
import { sameText, secretOf } from './guard/token.ts';
import { callerOf, createGuard } from './guard.ts';
import { addModelRoutes, isAnthropic } from './model-routes.ts';
import { addPageRoutes } from './page/routes.ts';
import { Problem, problemOf, unsupported } from './problem.ts';
import { type AppComponents, type Bindings, type RequestContext, unreadiness } from './request-context.ts';

type RequestReader = (
  body: unknown,
  defaults: RequestDefaults,
) => { readonly request: CompletionRequest; readonly encoder: ResponseEncoder };

/** The routes that run a prompt, each with the function that reads its requests. */
const completionRoutes: Readonly<Record<string, RequestReader>> = {
  '/v1/chat/completions': openaiChat,
  '/v1/completions': openaiCompletions,
  '/v1/responses': openaiResponses,
  '/v1/messages': anthropicMessages,
  '/api/chat': ollamaChat,
  '/api/generate': ollamaGenerate,
};

/** Counted for a client that disconnected before the response started, as nginx logs it. */
const clientClosedRequest = 499;

/** Requests in progress at the same time. */
const maxQuestions = 256;

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
        c.req.path in completionRoutes ? c.req.path : 'other',
        outgoing.headersSent ? outgoing.statusCode : clientClosedRequest,
      ),
    );
    const early = guard(c);
    if (early !== null) return early;
    await next();
  });
  for (const [path, read] of Object.entries(completionRoutes))
    app.post(path, (c) => complete(c, components, init, read));
  addModelRoutes(app, components, init.version);
  app.get('/health', (c) => {
    const reason = unreadiness(components);
    return reason === null ? c.json({ status: 'ok' }) : c.json({ status: 'not ready', reason }, 503);
  });
  app.get('/metrics', async (c) => c.body(await metrics.render(), 200, { 'content-type': metrics.contentType }));
  addPageRoutes(app, components, init);
  for (const path of Object.keys(completionRoutes))
    app.all(path, (c) => failure(c, new Problem(405, 'E_USAGE', `${path} takes POST`, { headers: { allow: 'POST' } })));
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

async function complete(
  c: RequestContext,
  components: AppComponents,
  init: GatewayInit,
  read: RequestReader,
): Promise<Response> {
  const { incoming, outgoing } = c.env;
  const { request, encoder } = read(parseJson(await readBody(incoming)), {
    ...init.defaults,
    maxPrice: spendingAllowance(c, init),
  });
  const { inference } = request;
  if (components.metrics.active() >= (init.limits?.questions ?? maxQuestions))
    throw new Problem(503, 'E_BUSY', 'too many requests in progress', { headers: { 'retry-after': '2' } });
  // Only the page that holds the run's token may open a browser wallet.
  if (inference.wallet !== null && !sameText(secretOf(callerOf(c)) ?? '', init.token))
    throw new Problem(401, 'E_TOKEN', 'a browser wallet pays for the page it is connected to only', {
      param: 'qvac.wallet',
    });
  requireContext(request, components);
  if (request.topLogprobs !== null && !(await components.inference.holds(inference.model)))
    throw unsupported('logprobs', 'of a model that this gateway does not hold');
  const reserved = reserve(keyOf(c, init), inference, init);
  await new CompletionHandler(
    components,
    {
      id: c.get('id'),
      request: { ...request, inference: reserved.inference },
      encoder,
      keepAliveMs: init.keepAliveMs,
      verdictMs: init.verdictMs,
      onCost: (lamports) => reserved.settle?.(Number(lamports)),
    },
    outgoing,
  ).run();
  return RESPONSE_ALREADY_SENT;
}

/** @throws Problem if the request needs more context than any provider of its model offers */
function requireContext({ minContext, inference: { model } }: CompletionRequest, { market }: AppComponents): void {
  if (minContext === undefined) return;
  const offered = offeredModels(market.live()).filter((each) => model === null || isNamed(each, model));
  const longest = Math.max(0, ...offered.map((each) => each.model.context));
  if (offered.length > 0 && minContext > longest) throw unsupported('options.num_ctx', `above ${longest}`);
}

/** Reserves the answer's highest price in the key's daily limit, which another request may have used up meanwhile. */
function reserve(
  key: ApiKey | null,
  inference: InferenceRequest,
  { keys }: GatewayInit,
): { readonly inference: InferenceRequest; readonly settle?: (spent: number) => void } {
  if (key === null || keys === undefined) return { inference };
  const maxPrice = Math.min(inference.maxPrice, keys.budgets.left(key));
  return { inference: { ...inference, maxPrice }, settle: keys.budgets.reserve(key, maxPrice) };
}

function keyOf(c: RequestContext, { keys }: GatewayInit): ApiKey | null {
  const secret = secretOf(callerOf(c));
  return secret === null ? null : (keys?.ring.find(secret) ?? null);
}

/** The most that one answer may cost its caller, lamports; 0 without the run's token or a key. */
function spendingAllowance(c: RequestContext, init: GatewayInit): number {
  const { token, keys, defaults } = init;
  const secret = secretOf(callerOf(c));
  if (secret !== null && sameText(secret, token)) return defaults.maxPrice;
  const key = keyOf(c, init);
  return key === null || keys === undefined ? 0 : Math.min(defaults.maxPrice, keys.budgets.left(key));
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
