import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Hono } from 'hono';
import { maxChallenges, maxReferees } from '../protocol/constants.ts';
import { CompletionHandler } from './answer/completion-handler.ts';
import type { InferenceRequest } from './answer/inference-client.ts';
import { readCountRequest, readMessagesRequest } from './api/anthropic/request.ts';
import type { CompletionRequest, RequestDefaults, RequestReader } from './api/completion-request.ts';
import type { CompletionRoute } from './api/field-table.ts';
import { parseJson } from './api/json.ts';
import { findOffered, networkName, type OfferedModel, offeredModels } from './api/models.ts';
import { readOllamaChat, readOllamaGenerate } from './api/ollama/request.ts';
import { readChat } from './api/openai/chat.ts';
import { readCompletion } from './api/openai/completions.ts';
import { readResponse } from './api/openai/responses.ts';
import type { GatewayInit } from './components.ts';
import { readBody } from './guard/body.ts';
import type { ApiKey } from './guard/keys.ts';
import { sameText, secretOf } from './guard/token.ts';
import { callerOf } from './guard.ts';
import { requireOffered } from './model-routes.ts';
import { Problem, unsupported } from './problem.ts';
import type { AppComponents, Bindings, RequestContext } from './request-context.ts';
import { withCallGrammar, withToolSupport } from './tool-support.ts';
import type { ToolFamily } from './tools/families.ts';

/** The routes that run a prompt, each with the function that reads its requests. */
const readers: Readonly<Record<CompletionRoute, RequestReader>> = {
  '/v1/chat/completions': readChat,
  '/v1/completions': readCompletion,
  '/v1/responses': readResponse,
  '/v1/messages': readMessagesRequest,
  '/api/chat': readOllamaChat,
  '/api/generate': readOllamaGenerate,
};

/** Paths of OpenAI clients whose base URL lacks `/v1`. */
const aliases: Readonly<Record<string, CompletionRoute>> = {
  '/chat/completions': '/v1/chat/completions',
  '/completions': '/v1/completions',
  '/responses': '/v1/responses',
};

const embeddingPaths = ['/v1/embeddings', '/embeddings', '/api/embed', '/api/embeddings'];

/** Requests in progress at the same time. */
const maxRequests = 256;

/** Adds the routes that run a prompt, and those that clients call beside them. */
export function addCompletionRoutes(app: Hono<Bindings>, components: AppComponents, init: GatewayInit): void {
  for (const path of [...Object.keys(readers), ...Object.keys(aliases)]) {
    const read = readers[routeOf(path) ?? '/v1/chat/completions'];
    app.post(path, (c) => complete(c, components, init, read));
    app.all(path, (c) => {
      // Codex asks for a web socket first; at this status it goes on without one at once.
      if (c.req.header('upgrade') !== undefined)
        throw new Problem(426, 'E_USAGE', `${path} takes no web socket, but POST`, { headers: { allow: 'POST' } });
      throw new Problem(405, 'E_USAGE', `${path} takes POST`, { headers: { allow: 'POST' } });
    });
  }
  app.post('/v1/messages/count_tokens', (c) => countTokens(c, components, init.defaults));
  for (const path of embeddingPaths)
    app.post(path, () => {
      // 404, because clients retry a 501.
      throw new Problem(404, 'E_UNSUPPORTED', 'this gateway does not offer embeddings');
    });
}

/** The route that answers at `path`, or undefined. */
export function routeOf(path: string): CompletionRoute | undefined {
  return Object.hasOwn(readers, path) ? (path as CompletionRoute) : aliases[path];
}

async function complete(
  c: RequestContext,
  components: AppComponents,
  init: GatewayInit,
  read: RequestReader,
): Promise<Response> {
  const { incoming, outgoing } = c.env;
  const parsed = read(parseJson(await readBody(incoming)), { ...init.defaults, ...allowanceOf(c, init) });
  const offered = offeredModels(components.market.live());
  if (parsed.kind === 'load')
    return c.json(parsed.body(requireOffered(offered, parsed.model).name, components.clock.now()));
  const { request, encoder } = parsed;
  const { model } = request.inference;
  const inference = { ...request.inference, model: model === null ? null : networkName(offered, model) };
  if (components.metrics.active() + request.choices > (init.limits?.requests ?? maxRequests))
    throw new Problem(503, 'E_BUSY', 'too many requests in progress', { headers: { 'retry-after': '2' } });
  // Only the page that holds the run's token may open a browser wallet.
  if (inference.wallet !== null && !sameText(secretOf(callerOf(c)) ?? '', init.token))
    throw new Problem(401, 'E_TOKEN', 'a browser wallet pays for the page it is connected to only', {
      param: 'qvac.wallet',
    });
  const supported = withToolSupport(offered, { ...request, inference });
  const { family, request: forced } = withCallGrammar(supported, await familyFor(components, init, supported, offered));
  const fitted = await withLogprobs(components, forced);
  const reserved = await reserve(c.get('id'), keyOf(c, init), fitted, init);
  await new CompletionHandler(
    components,
    {
      id: c.get('id'),
      request: { ...fitted, inference: reserved.inference },
      encoder,
      family,
      keepAliveMs: init.keepAliveMs,
      waitVerdict: init.waitVerdict,
      verdictMs: init.verdictMs,
      onCost: (lamports) => reserved.charge?.(lamports),
    },
    outgoing,
  ).run();
  return RESPONSE_ALREADY_SENT;
}

/** How the model writes calls: as the operator says, as its file on this machine shows, or in any known way. */
async function familyFor(
  { inference }: AppComponents,
  { toolParser = 'auto' }: GatewayInit,
  { tools, inference: { model: asked } }: CompletionRequest,
  offered: readonly OfferedModel[],
): Promise<ToolFamily> {
  const model = findOffered(offered, asked);
  if (toolParser !== 'auto' || model === undefined || tools === null || tools.offered.length === 0) return toolParser;
  return (await inference.toolFamily(model.id)) ?? 'auto';
}

/**
 * Log-probabilities of a model that is not here come from the opening, which has at most 256 steps.
 * @throws Problem if nothing is opened
 */
async function withLogprobs({ inference }: AppComponents, request: CompletionRequest): Promise<CompletionRequest> {
  const { model, sampler, verify } = request.inference;
  if (request.topLogprobs === null || (await inference.holds(model))) return request;
  if (verify === 'none')
    throw unsupported('logprobs', 'with qvac.verify none', 'this gateway does not hold the model, and opens no steps');
  if (sampler.maxTokens <= maxChallenges) return request;
  return {
    ...request,
    inference: { ...request.inference, sampler: { ...sampler, maxTokens: maxChallenges } },
    adjusted: [...request.adjusted, `max_tokens=${maxChallenges} for logprobs`],
  };
}

async function countTokens(
  c: RequestContext,
  { inference, market }: AppComponents,
  defaults: RequestDefaults,
): Promise<Response> {
  const { model, input } = readCountRequest(parseJson(await readBody(c.env.incoming)), defaults);
  const offered = requireOffered(offeredModels(market.live()), model);
  const { tokens, exact } = await inference.countTokens(offered.id, input);
  return c.json({ input_tokens: tokens, qvac: { exact } });
}

/** Reserves the answers' highest price in the key's daily limit, which another request may have used up meanwhile. */
async function reserve(
  id: string,
  key: ApiKey | null,
  { inference, choices }: CompletionRequest,
  { keys }: GatewayInit,
): Promise<{ readonly inference: InferenceRequest; readonly charge?: (lamports: bigint) => void }> {
  if (key === null || keys === undefined) return { inference };
  const { limits } = keys;
  const left = limits.left(key.name);
  const maxPrice = atMost(inference.maxPrice, left === null ? null : left / BigInt(choices));
  if (maxPrice === 0) return { inference: { ...inference, maxPrice } };
  if (!(await limits.reserve(id, key.name, BigInt(maxPrice) * BigInt(choices))))
    throw new Problem(402, 'E_LIMIT', `the daily limit of the key ${key.name} is used up`);
  return { inference: { ...inference, maxPrice }, charge: (lamports) => limits.charge(id, lamports) };
}

/** Lamports within a limit that is null if there is none. */
function atMost(lamports: number, limit: bigint | null): number {
  return limit !== null && limit < BigInt(lamports) ? Number(limit) : lamports;
}

function keyOf(c: RequestContext, { keys }: GatewayInit): ApiKey | null {
  const secret = secretOf(callerOf(c));
  return secret === null ? null : (keys?.ring.find(secret) ?? null);
}

/**
 * What a caller may ask for. One answer costs at most 0 without the run's token or a key. Who has the run's token is
 * the operator, who may show a prompt to strangers whatever the setting.
 */
function allowanceOf(c: RequestContext, init: GatewayInit): Pick<RequestDefaults, 'maxPrice' | 'mostReferees'> {
  const { token, keys, defaults } = init;
  const { maxPrice, mostReferees } = defaults;
  const secret = secretOf(callerOf(c));
  if (secret !== null && sameText(secret, token)) return { maxPrice, mostReferees: maxReferees };
  const key = keyOf(c, init);
  const isKeyed = key !== null && keys !== undefined;
  return { maxPrice: isKeyed ? atMost(maxPrice, keys.limits.left(key.name)) : 0, mostReferees };
}
