import { randomBytes } from 'node:crypto';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { Answering } from './answer/answering.ts';
import type { Question } from './answer/asker.ts';
import type { Shape } from './answer/shape.ts';
import { anthropicError, anthropicMessages } from './api/anthropic.ts';
import { parseJson } from './api/json.ts';
import { isNamed, offeredModels } from './api/models.ts';
import { ollamaChat, ollamaError, ollamaGenerate } from './api/ollama.ts';
import { openaiChat } from './api/openai/chat.ts';
import { openaiCompletions } from './api/openai/completions.ts';
import { openaiError } from './api/openai/error.ts';
import { openaiResponses } from './api/openai/responses.ts';
import type { Defaults, Wanted } from './api/wanted.ts';
import type { GatewayInit } from './components.ts';
import { type AppComponents, type Bindings, type Exchange, unreadiness } from './exchange.ts';
import { readBody } from './guard/body.ts';
import type { ApiKey } from './guard/keys.ts';
import { sameText, secretOf } from './guard/token.ts';
import { callerOf, createGuard } from './guard.ts';
import { addModelRoutes, isAnthropic } from './model-routes.ts';
import { addPageRoutes } from './page/routes.ts';
import { Problem, problemOf, unsupported } from './problem.ts';

type ReadRequest = (body: unknown, defaults: Defaults) => { readonly wanted: Wanted; readonly shape: Shape };

/** The routes that ask, each with how its request is read and its answer worded. */
const asking: Readonly<Record<string, ReadRequest>> = {
  '/v1/chat/completions': openaiChat,
  '/v1/completions': openaiCompletions,
  '/v1/responses': openaiResponses,
  '/v1/messages': anthropicMessages,
  '/api/chat': ollamaChat,
  '/api/generate': ollamaGenerate,
};

/** The status that others, too, write down where a client left before there was one. */
const leftEarly = 499;

/** Questions at the same time. */
const maxQuestions = 256;

/** Everything that the gateway answers. `port` is asked once it listens. */
export function createApp(components: AppComponents, init: GatewayInit, port: () => number): Hono<Bindings> {
  const { metrics } = components;
  const app = new Hono<Bindings>();
  const guard = createGuard(components.clock, init, port);
  app.use(async (c, next) => {
    const { outgoing } = c.env;
    c.set('id', randomBytes(12).toString('hex'));
    // As OpenAI's clients look for it, and as Anthropic's do.
    for (const name of ['x-request-id', 'request-id']) outgoing.setHeader(name, `req_${c.get('id')}`);
    outgoing.once('close', () =>
      metrics.answered(
        c.req.path in asking ? c.req.path : 'other',
        outgoing.headersSent ? outgoing.statusCode : leftEarly,
      ),
    );
    const early = guard(c);
    if (early !== null) return early;
    await next();
  });
  for (const [path, read] of Object.entries(asking)) app.post(path, (c) => answer(c, components, init, read));
  addModelRoutes(app, components, init.version);
  app.get('/health', (c) => {
    const reason = unreadiness(components);
    return reason === null ? c.json({ status: 'ok' }) : c.json({ status: 'not ready', reason }, 503);
  });
  app.get('/metrics', async (c) => c.body(await metrics.render(), 200, { 'content-type': metrics.contentType }));
  addPageRoutes(app, components, init);
  for (const path of Object.keys(asking))
    app.all(path, (c) => failure(c, new Problem(405, 'E_USAGE', `${path} takes POST`, { headers: { allow: 'POST' } })));
  app.notFound((c) =>
    failure(c, new Problem(404, 'E_NOT_FOUND', `there is nothing at ${c.req.method} ${c.req.path.slice(0, 200)}`)),
  );
  app.onError((error, c) => {
    const problem = problemOf(error);
    if (problem.status >= 500 && problem.code === 'E_BUG')
      components.logger.error('a request failed', { path: c.req.path.slice(0, 200), reason: error.message });
    return failure(c, problem);
  });
  return app;
}

async function answer(c: Exchange, components: AppComponents, init: GatewayInit, read: ReadRequest): Promise<Response> {
  const { incoming, outgoing } = c.env;
  const { wanted, shape } = read(parseJson(await readBody(incoming)), {
    ...init.defaults,
    maxPrice: allowance(c, init),
  });
  if (components.metrics.active() >= (init.limits?.questions ?? maxQuestions))
    throw new Problem(503, 'E_BUSY', 'too many questions at once', { headers: { 'retry-after': '2' } });
  // Nobody else is to open the wallet of whoever has the page.
  if (wanted.question.wallet !== null && !sameText(secretOf(callerOf(c)) ?? '', init.token))
    throw new Problem(401, 'E_TOKEN', 'a wallet pays for its own page only', { param: 'qvac.wallet' });
  requireContext(wanted, components);
  if (wanted.topLogprobs !== null && !(await components.asker.holds(wanted.question.model)))
    throw unsupported('logprobs', 'of a model that this gateway does not hold');
  const { question, settle } = reserve(keyOf(c, init), wanted.question, init);
  await new Answering(
    components,
    {
      id: c.get('id'),
      wanted: { ...wanted, question },
      shape,
      keepAliveMs: init.keepAliveMs,
      verdictMs: init.verdictMs,
      spent: (lamports) => settle?.(Number(lamports)),
    },
    outgoing,
  ).run();
  return RESPONSE_ALREADY_SENT;
}

/** A context as long as is asked for is had where somebody offers one; nobody makes one longer than the model's. */
function requireContext({ minContext, question: { model } }: Wanted, { market }: AppComponents): void {
  if (minContext === undefined) return;
  const offered = offeredModels(market.live()).filter((each) => model === null || isNamed(each, model));
  const longest = Math.max(0, ...offered.map((each) => each.model.context));
  if (offered.length > 0 && minContext > longest) throw unsupported('options.num_ctx', `above ${longest}`);
}

/**
 * Sets aside what the answer may cost of what the key may still spend: another request may have come since it was
 * looked at.
 */
function reserve(
  key: ApiKey | null,
  question: Question,
  { keys }: GatewayInit,
): { readonly question: Question; readonly settle?: (spent: number) => void } {
  if (key === null || keys === undefined) return { question };
  const maxPrice = Math.min(question.maxPrice, keys.budgets.left(key));
  return { question: { ...question, maxPrice }, settle: keys.budgets.reserve(key, maxPrice) };
}

function keyOf(c: Exchange, { keys }: GatewayInit): ApiKey | null {
  const secret = secretOf(callerOf(c));
  return secret === null ? null : (keys?.ring.find(secret) ?? null);
}

/** What one answer may cost: nothing to whoever shows neither the run's token nor a key. */
function allowance(c: Exchange, init: GatewayInit): number {
  const { token, keys, defaults } = init;
  const secret = secretOf(callerOf(c));
  if (secret !== null && sameText(secret, token)) return defaults.maxPrice;
  const key = keyOf(c, init);
  return key === null || keys === undefined ? 0 : Math.min(defaults.maxPrice, keys.budgets.left(key));
}

/** An error in the shape of the API that was asked. */
function failure(c: Exchange, problem: Problem): Response {
  const { path } = c.req;
  const body = path.startsWith('/api/')
    ? ollamaError(problem)
    : path.startsWith('/v1/messages') || (path.startsWith('/v1/models') && isAnthropic(c))
      ? anthropicError(problem)
      : openaiError(problem);
  // A body that was not read to its end stands in the way of the next request.
  const { complete, headers } = c.env.incoming;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (hasBody && !complete) c.env.outgoing.setHeader('connection', 'close');
  return new Response(JSON.stringify(body), {
    status: problem.status,
    headers: { 'content-type': 'application/json', ...problem.headers },
  });
}
